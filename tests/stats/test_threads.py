"""Small linear algebra runs on one BLAS thread, and leaves the number as it was."""

import numpy
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from driftline.analyses.forecasting._fit_drift import FinishedCell, Movement, fit_drift
from driftline.stats import on_one_thread


def blas_threads():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()
            if pool["user_api"] == "blas"}  # fmt: skip


@pytest.mark.parametrize("outside", [1, 2])
def test_a_held_function_sees_one_thread(outside):
    numpy.linalg.solve(numpy.eye(3), numpy.ones(3))
    with threadpool_limits(outside, user_api="blas"):
        before = blas_threads()
        assert set(on_one_thread(blas_threads)().values()) == {1}
        assert blas_threads() == before


def test_the_number_comes_back_after_an_error():
    def fail():
        raise ValueError("no")

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ValueError, match="no"):
            on_one_thread(fail)()
        assert blas_threads() == before


@pytest.mark.slow
def test_a_fit_is_held(monkeypatch):
    seen = []
    real = numpy.sqrt
    monkeypatch.setattr(numpy, "sqrt", lambda a: (seen.append(blas_threads()), real(a))[1])
    draws = numpy.random.default_rng(0)
    cells = [
        FinishedCell(
            Movement(loss, abs(loss), 0.01, 0.01, 0.1, 0.2),
            further,
            f"task {n % 3}",
            "one",
            str(n),
            "early_20",
            "full 0.0001",
        )
        for n, (loss, further) in enumerate(draws.normal(size=(12, 2)).tolist())
    ]
    with threadpool_limits(2, user_api="blas"):
        fit_drift(cells)
    assert seen
    assert all(set(each.values()) == {1} for each in seen)
