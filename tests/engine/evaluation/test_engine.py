"""What every engine shares, whoever computes: each point stored as it comes, in any order."""

from dataclasses import dataclass, field

import pytest

from driftline.capabilities import Capability, Passage
from driftline.engine import Engine, LocalEngine, ResultStore
from driftline.engine.evaluation._evaluate import Scored
from driftline.engine.storage._store import StoredScores
from driftline.errors import RunError
from driftline.models import BASE, NoiseDirection, Point, Term
from driftline.results import Numerics

NUMERICS = Numerics(
    compute_dtype="float32",
    device="elsewhere",
    num_threads=3,
    torch_version="9",
    batch_tokens=2048,
    prefix_reuse=True,
)
POINTS = (BASE, *(Point(f"noise {s}", (Term(NoiseDirection(s), 0.1),)) for s in range(4)))


def texts(name, word):
    items = tuple(Passage(id=str(i), text=f"{word} {i}.") for i in range(2))
    return Capability(name, "perplexity", "nll_nats", 0.1, items)


RAIN, SNOW = texts("rain", "It rained on day"), texts("snow", "It snowed on day")


@dataclass
class Backwards(Engine):
    """Computes the last point first, and fails when it is told to."""

    fail_after: int = 99
    asked: list = field(default_factory=list)
    num_closed: int = 0

    @property
    def numerics(self):
        return NUMERICS

    def check_unchanged(self):
        pass

    def _compute(self, pending):
        self.asked.append([(w.point.label, [c.name for c in w.capabilities]) for w in pending])
        try:
            for number, work in enumerate(reversed(pending)):
                if number == self.fail_after:
                    raise RunError("the fourth wall")
                value = float(POINTS.index(work.point))
                scores = [StoredScores({"nll_nats": (value, 0.5)}, 7) for _ in work.capabilities]
                yield Scored(work, scores)
        finally:
            self.num_closed += 1


@pytest.fixture
def store(tmp_path):
    with ResultStore(tmp_path / "results.sqlite") as made:
        yield made


@pytest.fixture
def engine(opened, store):
    return Backwards(opened, store)


def test_the_order_of_computing_does_not_matter(engine):
    table = engine.evaluate(POINTS, (RAIN, SNOW))
    for number, point in enumerate(POINTS):
        assert table.values(point, SNOW).tolist() == [number, 0.5]
    assert engine.tokens_used == 7 * 2 * len(POINTS)


def test_only_what_is_missing_is_asked_for(engine):
    engine.evaluate(POINTS[:2], (RAIN,))
    engine.evaluate(POINTS[:3], (RAIN, SNOW))
    assert engine.asked == [
        [("base", ["rain"]), ("noise 0", ["rain"])],
        [("base", ["snow"]), ("noise 0", ["snow"]), ("noise 1", ["rain", "snow"])],
    ]


def test_what_is_given_twice_is_asked_for_once(engine):
    same = Point("the base again", ())
    table = engine.evaluate((BASE, same, BASE), (RAIN, RAIN))
    assert engine.asked == [[("base", ["rain"])]]
    assert table.values(same, RAIN).tolist() == [0.0, 0.5]


def test_whatever_stops_it_in_the_middle_what_was_scored_stays(engine, store):
    engine.fail_after = 3
    with pytest.raises(RunError, match="fourth wall"):
        engine.evaluate(POINTS, (RAIN,))
    assert len(store) == 3
    engine.fail_after = 99
    engine.evaluate(POINTS, (RAIN,))
    assert [label for label, _ in engine.asked[-1]] == ["base", "noise 0"]


def test_whoever_computes_is_told_when_keeping_fails(engine, store, monkeypatch):
    def full(*_args, **_names):
        raise RunError("the disk fails")

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(RunError, match="the disk fails"):
        engine.evaluate(POINTS, (RAIN,))
    assert engine.num_closed == 1


def test_scores_are_kept_under_the_numerics_of_whoever_computes(engine, opened, store):
    engine.evaluate((BASE,), (RAIN,))
    local = LocalEngine(opened, store)
    assert local.numerics != NUMERICS
    local.evaluate((BASE,), (RAIN,))
    assert len(store) == 2


def test_an_engine_without_a_computer_cannot_be_made(opened, store):
    with pytest.raises(TypeError, match="abstract"):
        Engine(opened, store)


def test_each_point_may_have_capabilities_of_its_own(engine):
    noise, other = POINTS[1:3]
    table = engine.evaluate_each(
        [(BASE, (RAIN,)), (noise, (RAIN, SNOW)), (BASE, (SNOW,)), (other, ())]
    )
    assert engine.asked == [[("base", ["rain", "snow"]), ("noise 0", ["rain", "snow"])]]
    assert len(table.rows) == 4
    assert table.rows == engine.evaluate((BASE, noise), (RAIN, SNOW)).rows
