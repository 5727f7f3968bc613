"""SmolLM2-135M as it installs: the shipped suite has something to lose there."""

from pathlib import Path

import pytest
from scipy.stats import binomtest

from driftline.analyses import shipped_calibration
from driftline.capabilities import read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.models import BASE, NoiseDirection, Point, Term, at_point, open_model, weights_digest

CAPABILITIES = tuple(c.sample(128, seed=0) for c in read_suite("core").capabilities)
"""A part of the suite; `evidence/suites/base.json` has all of it."""


@pytest.fixture(scope="module")
def smollm2():
    return open_model("smollm2-135m")


@pytest.fixture(scope="module")
def table(smollm2, tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("store")
    store = ResultStore(folder / "results.sqlite")
    with pytest.MonkeyPatch.context() as patch:
        # No number is compared with a committed one, so a processor that emulates bfloat16 need not.
        patch.delenv("DRIFTLINE_BFLOAT16")
        engine = LocalEngine(smollm2, store)
    yield engine.evaluate([BASE], CAPABILITIES)
    store.close()


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda c: c.name)
def test_every_accuracy_is_clearly_above_chance(table, capability):
    accuracy = table.metric(BASE, capability, "accuracy")
    if capability.chance is None:
        assert accuracy is None
        assert 2.0 < table.values(BASE, capability).mean() < 6.0
        return
    hits = round(accuracy * len(capability.items))
    interval = binomtest(hits, len(capability.items)).proportion_ci(0.90, method="wilson")
    assert interval.low > capability.chance
    # Room to fall: a bounded margin that is full on most items could only hide a loss.
    full = [item["margin_nats"] >= 5.0 for item in table.item_metrics(BASE, capability)]
    assert sum(full) < 0.5 * len(full)
    assert table.values(BASE, capability).mean() > capability.chance + capability.tolerance


def test_the_calibration_belongs_to_this_model(smollm2):
    assert smollm2.digest in shipped_calibration().models


def test_a_point_of_the_real_model_is_put_back_bit_for_bit(smollm2):
    with pytest.raises(RuntimeError, match="in the middle"):
        _move_and_fail(smollm2)
    assert weights_digest(smollm2.model) == smollm2.digest


def _move_and_fail(opened) -> None:
    with at_point(opened, Point("noise", (Term(NoiseDirection(1), 0.05),))):
        assert weights_digest(opened.model) != opened.digest
        raise RuntimeError("in the middle")
