"""The search on losses that are known functions of the scales."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from driftline.analyses._repair_cells import list_cells
from driftline.analyses._repair_looks import Ruler
from driftline.analyses._repair_search import FAMILIES, NUM_LOOKS, RepairSearch, search_repair
from driftline.engine import Meter, Table
from driftline.engine._store import StoredScores
from driftline.errors import RunError
from driftline.models import NoiseDirection, Point, Term

from .test_repair_looks import PAIRS, TARGET

TUNED = Point("tuned", (Term(NoiseDirection(0), 1.0),))


@dataclass
class KnownLosses:
    """An engine that knows the answers: damage and gain as functions of the weights' scales."""

    opened: object
    damage: object
    gain: object
    meter: Meter = field(default_factory=Meter)
    seen: set = field(default_factory=set)

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
            rows[point.digest(), PAIRS.digest] = StoredScores({"margin_nats": (-lost,) * 4}, 1)
            rows[point.digest(), TARGET.digest] = StoredScores({"nll_nats": (-gained,) * 4}, 1)
        return Table(rows)


def _mean(scales, mark):
    own = [scale for name, scale in scales.items() if mark in name and "norm" not in name]
    return sum(own) / len(own)


@pytest.fixture
def search(opened):
    def make(damage, gain, max_cost=None, target=TARGET):
        cells = list_cells(opened.weights, {w.name for w in opened.weights if w.is_matrix})
        engine = KnownLosses(opened, damage, gain)
        ruler = Ruler((PAIRS,), target, TUNED, 0.05, max_cost)
        tuned = SimpleNamespace(point=TUNED)
        return RepairSearch(engine, tuned, ruler, cells, {cell.name: 1.0 for cell in cells})

    return make


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
    # 3 nats are 6 tolerances, so a sixth may stay; steps are an eighth.
    assert scales["layer 0 attention"] == 0.125
    assert {look.candidate.family for look in made.looks} == {"ends", *FAMILIES}
    assert len(made.looks) <= NUM_LOOKS
    labels = [(look.candidate.family, look.candidate.label) for look in made.looks]
    resets = [label for label in labels if label[0] == "selective reset"]
    assert len(set(resets)) == len(resets)


def test_even_damage_is_scaled_back_everywhere(search):
    made = search(lambda s: 2 * _mean(s, "layers") ** 2, lambda s: _mean(s, "layers"))
    best = search_repair(made)
    assert best.excess == 0
    # 2 x^2 = 0.5 at x = 0.5.
    assert 0.45 <= best.gain_share <= 0.5


def test_what_is_within_the_tolerances_is_left_as_it_is(search):
    made = search(lambda _s: 0.0, lambda s: _mean(s, "layers"))
    assert set(search_repair(made).candidate.scales.values()) == {1.0}


def test_the_gain_that_must_be_kept_comes_before_the_tolerance(search):
    made = search(lambda s: 4 * _mean(s, "layers") ** 2, lambda s: _mean(s, "layers"), max_cost=0.1)
    best = search_repair(made)
    assert 0.9 <= best.gain_share <= 0.93
    assert 0 < best.excess < made.looks[0].excess


def test_without_a_target_as_much_of_the_update_is_kept_as_can_be(search):
    made = search(lambda s: 3 * _mean(s, "layers.0.self_attn"), lambda _s: 0.0, target=None)
    best = search_repair(made)
    assert best.gain is None
    assert best.excess == 0
    assert best.candidate.scales["layer 1 MLP"] == 1.0
    assert best.candidate.kept_change > 0.9


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
