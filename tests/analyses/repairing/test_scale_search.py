"""The search on losses that are known functions of the scales."""

import math
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from driftline.analyses.repairing import _scale_search as search_module
from driftline.analyses.repairing._scale_search import (
    FAMILIES,
    NUM_LOOKS,
    RepairSearch,
    search_repair,
)
from driftline.analyses.search._cells import list_cells, segments
from driftline.analyses.search._evaluations import Candidate, CandidateEvaluation, Loss, Ruler
from driftline.analyses.search._part_sampler import Tried
from driftline.engine import Meter, Table
from driftline.engine.storage._store import StoredScores
from driftline.errors import RunError
from driftline.models import NoiseDirection, Point, Term

from ..search.test_evaluations import PAIRS as FEW
from ..search.test_evaluations import TARGET

PAIRS = replace(FEW, items=tuple(FEW.items[0].model_copy(update={"id": str(i)}) for i in range(8)))

ALL_PROPOSALS = 2 * search_module._NUM_PROPOSALS
TUNED = Point("tuned", (Term(NoiseDirection(0), 1.0),))


@dataclass
class KnownLosses:
    """An engine that knows the answers: damage and gain as functions of the weights' scales."""

    opened: object
    damage: object
    gain: object
    meter: Meter = field(default_factory=Meter)
    seen: set = field(default_factory=set)
    base_margin: float = 100.0
    """Above 0 the base answers all items right."""

    def evaluate(self, points, _capabilities):
        rows = {}
        for point in points:
            self.seen.add(point.digest())
            scale = point.terms[0].scale if point.terms else 0.0
            scales = {
                w.name: scale[w.name] if isinstance(scale, dict) else scale
                for w in self.opened.weights
            }
            lost, gained = self.damage(scales), self.gain(scales)
            margin = self.base_margin - lost
            rows[point.digest(), PAIRS.digest] = StoredScores(
                {"margin_nats": (margin,) * 8, "accuracy": (float(margin > 0),) * 8}, 1
            )
            rows[point.digest(), TARGET.digest] = StoredScores({"nll_nats": (-gained,) * 4}, 1)
        return Table(rows)


def _mean(scales, mark):
    own = [scale for name, scale in scales.items() if mark in name and "norm" not in name]
    return sum(own) / len(own)


@pytest.fixture(autouse=True)
def few_proposals(monkeypatch):
    """Enough for a model of two layers."""
    monkeypatch.setattr(search_module, "_NUM_PROPOSALS", 6)


@pytest.fixture
def search(opened):
    def make(damage, gain, max_cost=None, target=TARGET):
        cells = list_cells(opened.weights, {w.name for w in opened.weights if w.is_matrix})
        engine = KnownLosses(opened, damage, gain)
        ruler = Ruler((PAIRS,), target, TUNED, 0.05, max_cost)
        tuned = SimpleNamespace(point=TUNED)
        return RepairSearch(engine, tuned, ruler, cells, {cell.name: 1.0 for cell in cells})

    return make


@pytest.mark.slow
def test_damage_in_one_place_is_taken_out_there_and_nothing_else_is(search):
    made = search(
        lambda s: 3 * _mean(s, "layers.0.self_attn"),
        lambda s: (_mean(s, "layers.1") + 0.1 * _mean(s, "layers.0.self_attn")) / 1.1,
    )
    best = search_repair(made)
    assert best.excess == 0
    assert best.gain_share > 0.9
    scales = best.candidate.scales
    assert scales["layer 1 MLP"] == scales["layer 1 attention"] == 1.0
    # 3 nats are 6 tolerances, so a sixth may stay; a proposal has two digits.
    assert 0.12 <= scales["layer 0 attention"] <= 0.16
    assert {look.candidate.family for look in made.looks} == {"ends", *FAMILIES}
    others = [look for look in made.looks if look.candidate.family != "groups"]
    assert len(others) + ALL_PROPOSALS <= NUM_LOOKS
    labels = [(look.candidate.family, look.candidate.label) for look in made.looks]
    resets = [label for label in labels if label[0] == "selective reset"]
    assert len(set(resets)) == len(resets)


@pytest.mark.slow
def test_even_damage_is_scaled_back_everywhere(search):
    made = search(lambda s: 2 * _mean(s, "layers") ** 2, lambda s: _mean(s, "layers"))
    best = search_repair(made)
    assert best.excess == 0
    # 2 x^2 = 0.5 at x = 0.5, wherever the parts are.
    assert 0.45 <= best.gain_share <= 0.5


def test_what_the_base_lacks_holds_no_repair_back(search):
    made = search(lambda s: 3 * _mean(s, "layers"), lambda s: _mean(s, "layers"))
    made.engine.base_margin = -1.0
    tuned, _ = made.look("ends", [("tuned", made.everywhere(1.0)), ("base", made.everywhere(0.0))])
    assert "answers none of 8 items right" in made.lacking["pairs"]
    assert (tuned.excess, tuned.damage, tuned.worst, tuned.worst_loss) == (0, 0, None, 0)
    assert made.best is tuned


def test_what_is_within_the_tolerances_is_left_as_it_is(search):
    made = search(lambda _s: 0.0, lambda s: _mean(s, "layers"))
    assert set(search_repair(made).candidate.scales.values()) == {1.0}


@pytest.mark.slow
def test_the_gain_that_must_be_kept_comes_before_the_tolerance(search):
    made = search(lambda s: 4 * _mean(s, "layers") ** 2, lambda s: _mean(s, "layers"), max_cost=0.1)
    best = search_repair(made)
    assert 0.9 <= best.gain_share <= 0.93
    assert 0 < best.excess < made.looks[0].excess


@pytest.mark.slow
def test_proposals_find_the_parts_that_cost_and_gain_nothing(search):
    harm = {"layers.0.self_attn": 3.0, "layers.0.mlp": 2.0, "layers.1.self_attn": 0.5}
    worth = {"layers.0.self_attn": 0.3, "layers.1.self_attn": 1.0, "layers.1.mlp": 1.0}

    def sums(weights, curve):
        return lambda s: sum(weight * curve(_mean(s, mark)) for mark, weight in weights.items())

    made = search(
        sums(harm, lambda scale: scale**2), sums(worth, lambda scale: 2 * scale - scale**2),
        max_cost=0.05,
    )  # fmt: skip
    best = search_repair(made)
    assert best.candidate.family == "groups"
    assert best.shortfall == 0
    others = [look for look in made.looks if look.candidate.family != "groups"]
    assert best.excess < 0.8 * min(look.excess for look in others if look.shortfall == 0)


def test_proposals_of_what_was_looked_at_end_the_search(search, monkeypatch):
    asked = []

    def propose(parts, tried, *, seed):
        asked.append(seed)
        assert all(each.scales.keys() == set(parts) for each in tried)
        return dict.fromkeys(parts, 0.33)

    monkeypatch.setattr(search_module, "propose_scales", propose)
    made = search(lambda s: 2 * _mean(s, "layers"), lambda s: _mean(s, "layers"))
    search_repair(made)
    labels = [look.candidate.label for look in made.looks if look.candidate.family == "groups"]
    assert len(labels) == 1
    # The first time it is new; three times more, and three of the finer groups, it is not.
    assert len(asked) == len(set(asked)) == 7


@pytest.mark.parametrize(("seeds", "same"), [((0, 0), True), ((0, 1), False)])
def test_a_seed_decides_what_is_proposed(search, monkeypatch, seeds, same):
    monkeypatch.setattr(
        search_module,
        "propose_scales",
        lambda parts, tried, *, seed: dict.fromkeys(parts, seed / 1e4),
    )
    proposed = []
    for seed in seeds:
        made = search(lambda s: 2 * _mean(s, "layers"), lambda s: _mean(s, "layers"))
        made.seed = seed
        search_repair(made)
        proposed.append([look.candidate.scales for look in made.looks])
    assert (proposed[0] == proposed[1]) is same


def _seen(scales, *, bound, gain, missed):
    return CandidateEvaluation(
        Candidate("f", "l", scales, 1.0), gain, None, missed, {"c": Loss(bound - 1, bound)}
    )


def test_the_process_reads_each_look_whose_groups_have_one_scale_once(opened):
    cells = list_cells(opened.weights, {w.name for w in opened.weights if w.is_matrix})
    halves = segments(cells, 1)
    whole = dict.fromkeys((cell.name for cell in cells), 0.5)
    split = {**whole, "layer 0 MLP": 0.25}
    looks = [
        _seen(scales, bound=3.0, gain=1.0, missed=missed)
        for scales, missed in ((whole, -0.2), (whole, -0.2), (split, 0.1))
    ]
    tried = search_module._tried(looks, halves)
    assert [set(each.scales) for each in tried] == [set(halves)]
    # Two tolerances over; the gain is kept.
    assert tried[0].value == pytest.approx(-math.log(3))
    assert [c < 0 for c in tried[0].constraints] == [True]


def test_once_all_is_met_the_process_is_asked_for_worth(opened):
    cells = list_cells(opened.weights, {w.name for w in opened.weights if w.is_matrix})
    each_alone = segments(cells, 2)
    low, high = ({cell.name: scale for cell in cells} for scale in (0.2, 0.9))
    met = _seen(low, bound=0.5, gain=1.0, missed=-0.1)
    unmet = _seen(high, bound=4.0, gain=2.0, missed=-0.3)
    first, second = search_module._tried([met, unmet], each_alone)
    assert (first.value, second.value) == (1.0, 2.0)
    assert [c <= 0 for c in first.constraints] == [True, True]
    assert [c <= 0 for c in second.constraints] == [False, True]
    (free,) = search_module._tried([_seen(low, bound=0.5, gain=1.0, missed=None)], each_alone)
    assert isinstance(free, Tried)
    assert len(free.constraints) == 1


def test_without_a_target_as_much_of_the_update_is_kept_as_can_be(search):
    made = search(lambda s: 3 * _mean(s, "layers.0.self_attn"), lambda _s: 0.0, target=None)
    best = search_repair(made)
    assert best.gain is None
    assert best.excess == 0
    assert best.candidate.scales["layer 1 MLP"] == 1.0
    assert best.candidate.kept_change > 0.9


@pytest.mark.slow
def test_a_search_is_the_same_every_time(search):
    parts = (lambda s: 3 * _mean(s, "self_attn") ** 2, lambda s: _mean(s, "mlp") ** 0.5)
    first, second = search(*parts), search(*parts)
    search_repair(first)
    search_repair(second)
    assert [replace(a) for a in first.looks] == [replace(b) for b in second.looks]
    assert first.engine.seen == second.engine.seen


def test_an_update_without_a_matrix_is_an_error(search):
    made = search(lambda _s: 0.0, lambda _s: 0.0)
    made.norms = dict.fromkeys(made.norms, 0.0)
    with pytest.raises(RunError, match="nothing to scale"):
        search_repair(made)
