"""Which modules a plan may freeze: found once, kept with the study, and counted."""

from types import SimpleNamespace

import pytest

from driftline.analyses.fragility._fragility import FragilityMap
from driftline.analyses.planning import _protect as module
from driftline.analyses.planning._budget import Budget
from driftline.analyses.planning._journal import PlanStudy
from driftline.analyses.planning._protect import fragile_modules

from ..plans import ask, request, sums


def _bench():
    engine = SimpleNamespace(tokens_used=5, tokens_backward=1)
    return SimpleNamespace(engine=engine, budget=Budget(engine, 1e6, None, 0.0))


def test_what_an_earlier_process_found_is_taken_up_and_counted(tmp_path, monkeypatch):
    study = PlanStudy(tmp_path / "study.jsonl", seed=0)
    found = module._Mapped(["a", "b"], trained=100, forward=40, backward=20)
    monkeypatch.setattr(module, "_mapped", lambda *_args, **_more: found)
    first = _bench()
    assert fragile_modules(first, None, study, seed=0) == (("a", "b"), None)
    # What was mapped now, its engine has counted.
    assert (first.budget.trained, first.engine.tokens_used) == (100.0, 5)
    again = _bench()
    assert fragile_modules(again, None, study, seed=0) == (("a", "b"), None)
    assert again.budget.trained == again.budget.num_trained == 100
    assert (again.engine.tokens_used, again.engine.tokens_backward) == (45, 21)


@pytest.mark.slow
def test_a_quarter_of_the_parameters_is_named(opened, tmp_path):
    data = sums(tmp_path / "sums.jsonl")
    found = ask(request(opened, data, num_trials=1), tmp_path / "out")
    names = dict(opened.model.named_modules())
    protected = found.provenance.protected_modules
    assert protected
    assert set(protected) <= set(names)
    small = found.budget.limit / 6
    less = ask(request(opened, data, num_trials=1, budget_tokens=small), tmp_path / "small")
    assert less.provenance.protected_modules == ()
    assert any("No modules were frozen" in caveat for caveat in less.caveats)


@pytest.mark.slow
def test_a_map_that_fails_is_said_to_have_failed(opened, tmp_path, monkeypatch):
    failed = FragilityMap((), (), (), (), failure="no kernel for this layer")
    monkeypatch.setattr(module, "attempted_map", lambda _study: failed)
    data = sums(tmp_path / "sums.jsonl")
    found = ask(request(opened, data, num_trials=1), tmp_path / "out")
    assert found.provenance.protected_modules == ()
    said = "No modules were frozen or slowed: the map failed (no kernel for this layer)."
    assert said in found.caveats
