"""How many workers are asked for, and what is said where Ray cannot be had."""

import importlib.util
import os
import signal

import pytest

from driftline.engine import RayOptions
from driftline.engine.remote import _ray_session as module
from driftline.engine.remote._ray_session import PoolShape, pool_shape, ray_session
from driftline.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "has", "expected"),
    [
        # Nothing said: a worker a GPU, threads shared out.
        (RayOptions(), {"cpus": 64, "gpus": 8, "threads": 32}, (8, 1.0, 8, 8)),
        (RayOptions(), {"cpus": 4, "gpus": 0, "threads": 4}, (1, 0.0, 4, 4)),
        (RayOptions(), {"cpus": 8, "gpus": 0, "threads": 2}, (4, 0.0, 2, 2)),
        (RayOptions(num_workers=2), {"cpus": 4, "gpus": 0, "threads": 4}, (2, 0.0, 2, 2)),
        # What is said holds, and Ray sets aside what there is.
        (
            RayOptions(num_workers=2, threads_per_worker=4),
            {"cpus": 4, "gpus": 0, "threads": 1},
            (2, 0.0, 4, 2),
        ),
        (RayOptions(threads_per_worker=1), {"cpus": 3, "gpus": 0, "threads": 3}, (3, 0.0, 1, 1)),
        (RayOptions(num_workers=3), {"cpus": 2, "gpus": 0, "threads": 2}, (3, 0.0, 1, 0)),
        (RayOptions(gpus_per_worker=4), {"cpus": 64, "gpus": 8, "threads": 8}, (2, 4, 8, 8)),
        (RayOptions(gpus_per_worker=0.5), {"cpus": 8, "gpus": 2, "threads": 1}, (4, 0.5, 1, 1)),
        (RayOptions(gpus_per_worker=0), {"cpus": 8, "gpus": 2, "threads": 8}, (1, 0, 8, 8)),
    ],
)
def test_the_shape_of_a_pool(options, has, expected):
    assert pool_shape(options, **has) == PoolShape(*expected)


@pytest.mark.parametrize(
    ("options", "gpus", "message"),
    [
        (RayOptions(num_workers=3, gpus_per_worker=1), 2, "3 workers with 1 GPUs each: Ray has 2"),
        (RayOptions(gpus_per_worker=4), 2, "1 workers with 4 GPUs each: Ray has 2"),
        (RayOptions(gpus_per_worker=1.5), 8, "--gpus-per-worker 1.5: .* whole number"),
    ],
)
def test_what_ray_has_not_is_refused(options, gpus, message):
    with pytest.raises(ConfigError, match=message):
        pool_shape(options, cpus=8, gpus=gpus, threads=1)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'driftline\[ray\]'"),
        ray_session(None),
    ):
        pass


def test_the_client_protocol_is_refused():
    with (
        pytest.raises(ConfigError, match="--address ray://head:10001: Ray's client protocol"),
        ray_session("ray://head:10001"),
    ):
        pass


def test_the_users_own_environment_stays(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_A", "mine")
    monkeypatch.delenv("DRIFTLINE_B", raising=False)
    with module._environment({"DRIFTLINE_A": "ours", "DRIFTLINE_B": "ours"}):
        assert (os.environ["DRIFTLINE_A"], os.environ["DRIFTLINE_B"]) == ("mine", "ours")
    assert os.environ["DRIFTLINE_A"] == "mine"
    assert "DRIFTLINE_B" not in os.environ


def test_the_answer_to_sigterm_stays():
    before = signal.getsignal(signal.SIGTERM)
    with module._signals_kept():
        signal.signal(signal.SIGTERM, lambda *_: None)
    assert signal.getsignal(signal.SIGTERM) is before
