"""The model of what comes after a look, fitted to runs that were simulated from it."""

import functools
import random

import numpy
import pytest

from driftline.analyses import DriftModel, LossForecast
from driftline.analyses.forecasting import Movement
from driftline.analyses.forecasting._fit_drift import FinishedCell, common_correlation, fit_drift
from driftline.analyses.forecasting._looks import movements
from driftline.results import CapabilityReading

SHARES = {"early_10": 0.06, "early_20": 0.15, "early_40": 0.4, "early_60": 0.65}
PLANTED = DriftModel(
    growth=3.0, healing=0.5, saturation=0.2, shared=0.2, own=0.3, item=0.3,
    spread=1.0, config_spread=1.0, unseen_spread=1.0, num_cells=1,
)  # fmt: skip


def reading(name, look, loss, error=0.02):
    return CapabilityReading(
        capability=name, metric="probability", base_value=0.7, losses={look: loss},
        standard_errors=None if error is None else {look: error}, num_items=100,
    )  # fmt: skip


def simulated(seed, *, tasks=10, models=(PLANTED,), **changes):
    """Cells of runs that go on as the planted models say; runs of a task take turns in the models."""
    generator, cells = numpy.random.default_rng(seed), []
    for number in range(3 * tasks):
        name = f"model {number % len(models)}"
        planted = models[number % len(models)].model_copy(update=changes)
        level = generator.uniform(0.02, 0.5)
        for look, share in SHARES.items():
            losses = level * share**0.5 * (0.5 + generator.normal(size=6))
            errors = generator.uniform(0.005, 0.02, size=6)
            rows = [
                reading(str(n), look, *pair)
                for n, pair in enumerate(zip(losses.tolist(), errors.tolist(), strict=True))
            ]
            for movement in movements(rows, look, share=share, bound=9.0).values():
                mean, scale = planted.after(movement, 1.0)
                further = float(mean + scale * generator.standard_t(4))
                cells.append(
                    FinishedCell(
                        movement,
                        further,
                        f"task {number // 3}",
                        name,
                        str(number),
                        look,
                        f"full {number % 3}",
                    )
                )
    return cells


@functools.cache
def fitted(seed):
    return fit_drift(simulated(seed))


def law(result):
    """The law of the one model that all runs are of."""
    assert list(result.own) == ["model 0"]
    return result.own["model 0"]


@pytest.mark.parametrize("seed", range(3))
def test_what_was_planted_is_found_again(seed):
    found = law(fitted(seed))
    assert found.growth == pytest.approx(3.0, rel=0.3)
    assert found.healing == pytest.approx(0.5, abs=0.25)
    assert found.saturation == pytest.approx(0.2, rel=0.6)
    for name in ("shared", "own", "item"):
        assert getattr(found, name) == pytest.approx(getattr(PLANTED, name), rel=0.4)
    assert found.spread == pytest.approx(1, abs=0.15)
    assert found.num_cells == 720
    plain = fitted(seed).model
    assert (plain.growth, plain.healing) == (0, 0)
    assert plain.num_cells == 720


@pytest.mark.parametrize("seed", range(3))
def test_intervals_cover_fresh_runs_at_their_level(seed):
    covered = []
    for cell in simulated(100 + seed):
        mean, scale = law(fitted(seed)).after(cell.movement, 1.0)
        forecast = LossForecast(mean, scale)
        assert forecast.confidence_level == 0.9
        covered.append(forecast.low <= cell.further_loss <= forecast.high)
    assert 0.85 <= numpy.mean(covered) <= 0.95


@pytest.mark.parametrize("seed", range(6))
def test_where_nothing_grows_and_heals_no_model_has_a_law(seed):
    result = fit_drift(simulated(seed, tasks=6, growth=0.0, healing=0.0))
    assert result.own == {}
    mean, scale = result.model.after(simulated(seed)[0].movement, 1.0)
    assert mean == 0
    assert scale > 0


def test_growth_of_one_model_is_not_carried_over_to_another():
    still = PLANTED.model_copy(update={"growth": 0.0, "healing": 0.0})
    result = fit_drift(simulated(0, models=(PLANTED, still)))
    assert list(result.own) == ["model 0"]
    assert result.own["model 0"].growth == pytest.approx(3.0, rel=0.4)
    assert (result.model.growth, result.model.healing) == (0, 0)


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_few_tasks_give_a_model_no_law(tasks):
    # Runs of one task are left out one by one: three of them are too few as well.
    assert fit_drift(simulated(0, tasks=tasks)).own == {}


def test_the_run_s_own_task_grows_by_one_law_for_all_models():
    cells = simulated(0, models=(PLANTED, PLANTED))
    result = fit_drift(cells, grows_everywhere=True)
    assert result.own == {}
    assert result.model.growth == pytest.approx(3.0, rel=0.3)


@pytest.mark.parametrize("planted", [-60.0, -3.0])
def test_growth_is_never_below_0(planted):
    result = fit_drift(simulated(0, growth=planted), grows_everywhere=True)
    assert result.model.growth >= 0
    assert 0 <= result.model.healing <= 1


@pytest.mark.parametrize(
    "other", [{"own": 1.5, "shared": 1.2}, {"growth": 60.0}], ids=["spread", "drift"]
)
def test_unseen_models_get_wider_forecasts_where_models_differ(other):
    calm = PLANTED.model_copy(
        update={"own": 0.1, "shared": 0.1, "item": 0.3, "growth": 0.0, "healing": 0.0}
    )
    found = fit_drift(simulated(0, models=(calm, calm.model_copy(update=other)))).model
    assert found.unseen_spread > 1.3 * found.spread
    movement = simulated(0)[0].movement
    known, unseen = (found.after(movement, 1.0, novelty=novelty) for novelty in (None, "model"))
    assert unseen[0] == known[0] == 0
    assert unseen[1] == pytest.approx(known[1] * found.unseen_spread / found.spread)


@pytest.mark.parametrize("models", [(PLANTED,), (PLANTED, PLANTED)])
def test_models_that_are_alike_widen_little_and_never_narrow(models):
    found = fit_drift(simulated(1, models=models)).model
    assert found.spread <= found.unseen_spread < 1.3 * found.spread
    assert len(models) > 1 or found.unseen_spread == found.spread


def test_cells_held_aside_widen_unseen_models_alone_and_fit_nothing():
    wild = PLANTED.model_copy(update={"shared": 3.0, "own": 3.0})
    aside = [
        cell._replace(model="another", held_aside=True) for cell in simulated(5, models=(wild,))
    ]
    alone, widened = fit_drift(simulated(0)).model, fit_drift(simulated(0), aside).model
    assert widened.model_copy(update={"unseen_spread": alone.unseen_spread}) == alone
    assert widened.unseen_spread > 2 * alone.unseen_spread
    calm = [cell._replace(held_aside=True) for cell in simulated(6)]
    assert fit_drift(simulated(0), calm).model.unseen_spread >= alone.unseen_spread


@pytest.mark.parametrize("num_others", [1, 3, 4])
def test_a_model_is_left_out_where_others_have_runs_enough(num_others):
    cells, wild = simulated(0, tasks=4), PLANTED.model_copy(update={"shared": 3.0, "own": 3.0})
    names = [str(number) for number in range(num_others)]
    # The few runs of a second model are predicted from the many; never the many from fewer than four.
    cells = [c._replace(model="few" if c.run in names else "many") for c in cells]
    others = simulated(5, tasks=4, models=(wild,))
    aside = [cell._replace(model="another", held_aside=True) for cell in others]
    alone, beside = fit_drift(cells).model, fit_drift(cells, aside).model
    # What is held aside counts only where no model could be left out.
    assert alone == beside
    assert alone.unseen_spread >= alone.spread
    single = [cell._replace(model="many") for cell in cells]
    assert fit_drift(single, aside).model.unseen_spread > 1.5 * alone.unseen_spread


def test_the_order_of_the_runs_does_not_matter():
    cells = simulated(2, tasks=4)
    mixed = random.Random(0).sample(cells, len(cells))
    found, again = fit_drift(cells), fit_drift(mixed)
    for name in DriftModel.model_fields:
        assert getattr(again.model, name) == pytest.approx(getattr(found.model, name), rel=1e-3)
    by_cell = dict(zip(cells, found.scores, strict=True))
    assert again.scores == pytest.approx([by_cell[cell] for cell in mixed], abs=0.01)


def test_runs_of_one_task_are_left_out_one_by_one():
    cells = [cell._replace(task="the same") for cell in simulated(0)]
    found, by_task = fit_drift(cells).model, fitted(0).model
    assert found.spread == pytest.approx(by_task.spread, rel=0.15)
    assert found.own == by_task.own


def test_scores_of_errors_are_normal_with_the_level_of_the_intervals():
    cells = simulated(3)
    scores = fit_drift(cells).scores
    assert len(scores) == len(cells)
    assert (numpy.abs(scores) <= 1.645).mean() == pytest.approx(0.9, abs=0.01)
    assert abs(scores.mean()) < 0.2


AT_LOOK = Movement(
    loss=0.2, typical=0.1, drive=0.04, standard_error=0.01, item_spread=0.03, share=0.25
)


def test_the_formula_is_that_of_the_text():
    mean, scale = PLANTED.after(AT_LOOK, 0.75)
    free = 1 / (1 + 0.1 / 0.2)
    grown, healed = 3.0 * numpy.log(3) * 0.04, 0.5 * (1 - 1 / 3) * 0.2
    assert mean == pytest.approx(free * grown - (1 - free) * healed)
    variance = (0.2 * 0.1) ** 2 + (0.3 * 0.2) ** 2 + (0.3 * 0.03) ** 2
    assert scale == pytest.approx((free * 2.0 * variance) ** 0.5)


def test_at_the_look_nothing_comes_after_and_then_the_spread_only_grows():
    assert PLANTED.after(AT_LOOK, 0.25) == (0, 0)
    path = [PLANTED.after(AT_LOOK, share) for share in numpy.linspace(0.25, 1, 20)]
    assert [scale for _, scale in path] == sorted(scale for _, scale in path)


def test_little_that_is_lost_grows_and_much_heals():
    shares = numpy.linspace(0.25, 1, 20)
    little = AT_LOOK._replace(loss=0.0, typical=0.02)
    grown = [PLANTED.after(little, share)[0] for share in shares]
    assert grown == sorted(grown)
    assert grown[-1] > 0
    much = AT_LOOK._replace(loss=1.0, typical=1.0, drive=0.01)
    healed = [PLANTED.after(much, share)[0] for share in shares]
    assert healed == sorted(healed, reverse=True)
    assert -0.5 < healed[-1] < 0


@pytest.mark.parametrize("factor", [0.5, 0.01, 1e-6])
def test_what_does_not_move_is_certain(factor):
    still = Movement(*(factor * each for each in AT_LOOK[:5]), AT_LOOK.share)
    still = still._replace(drive=factor**2 * AT_LOOK.drive)
    mean, scale = PLANTED.after(still, 1.0)
    usual = PLANTED.after(AT_LOOK, 1.0)
    # A little more than in proportion, because less is levelled off.
    assert 0 < mean <= 1.6 * factor * usual[0]
    assert factor * usual[1] <= scale <= 1.25 * factor * usual[1]


def test_what_comes_after_does_not_depend_on_how_many_items_were_scored():
    few, many = (
        movements(
            [reading("a", "early_20", 0.1, 0.2 / num**0.5).model_copy(update={"num_items": num})],
            "early_20", share=0.3, bound=9.0,
        )["a"]
        for num in (25, 400)
    )  # fmt: skip
    assert few.standard_error == pytest.approx(4 * many.standard_error)
    assert few.item_spread == pytest.approx(many.item_spread) == pytest.approx(0.2)
    assert PLANTED.after(few, 1.0) == pytest.approx(PLANTED.after(many, 1.0), rel=0.05)


def test_movement_is_that_of_the_whole_run_whatever_number_of_items_was_scored():
    losses, errors = {"a": 0.0, "b": 0.2, "c": 0.4}, {"a": 0.1, "b": 0.2, "c": 0.0}
    few = movements(
        [reading(n, "early_20", loss, errors[n]) for n, loss in losses.items()], "early_20",
        share=0.3, bound=9.0,
    )  # fmt: skip
    # Of 100 items each: variances of single items are a hundred times those of means.
    assert few["a"].drive == few["c"].drive == pytest.approx((1.0 + 4.0 + 0.0) / 3)
    square = (0.0 - 0.01 + 0.04 - 0.04 + 0.16) / 3
    assert few["a"].typical == few["c"].typical == pytest.approx((square + 5 / 300) ** 0.5)
    many = movements(
        [
            reading(n, "early_20", loss, errors[n] / 2).model_copy(update={"num_items": 400})
            for n, loss in losses.items()
        ],
        "early_20", share=0.3, bound=9.0,
    )  # fmt: skip
    assert many["a"].drive == pytest.approx(few["a"].drive)
    assert many["a"].typical == pytest.approx((square + 5 / 300 + (0.01 + 0.04) / 3 * 0.75) ** 0.5)


def test_a_capability_of_one_group_of_items_does_not_say_how_far_items_move():
    rows = [
        reading("a", "early_20", 0.1, 0.02),
        reading("b", "early_20", 0.1).model_copy(update={"standard_errors": {}}),
    ]
    found = movements(rows, "early_20", share=0.3, bound=9.0)
    assert found["b"].drive == found["a"].drive == pytest.approx(0.04)
    assert found["b"].standard_error == 1


def test_the_spread_of_items_is_taken_from_the_reading_where_it_says_it():
    # Items in groups: the error of the mean is larger than that of as many items by themselves.
    row = reading("a", "early_20", 0.1, 0.2).model_copy(update={"item_spreads": {"early_20": 0.5}})
    (found,) = movements([row], "early_20", share=0.3, bound=9.0).values()
    assert (found.standard_error, found.item_spread, found.drive) == (0.2, 0.5, pytest.approx(0.25))


def test_the_run_s_own_task_goes_on_in_proportion_to_what_it_learned():
    (found,) = movements(
        [reading("target", "early_20", -0.4)], "early_20", share=0.3, bound=9.0, is_target=True
    ).values()
    assert found.drive == -0.4
    assert PLANTED.after(found, 1.0)[0] < 0


def test_losses_are_clipped_and_other_looks_passed_over():
    rows = [
        reading("a", "early_20", 7.0),
        reading("b", "early_20", -7.0),
        reading("c", "early_10", 1),
    ]
    found = movements(rows, "early_20", share=0.3, bound=3.0)
    assert {name: m.loss for name, m in found.items()} == {"a": 3.0, "b": -7.0}
    assert movements(rows, "early_40", share=0.6, bound=3.0) == {}
    (alone,) = movements(
        [reading("a", "early_20", 0.1, None)], "early_20", share=0.3, bound=3
    ).values()
    assert alone == Movement(0.1, pytest.approx(0.1), 0.0, 0.0, 0.0, 0.3)


@pytest.mark.parametrize("planted", [0.0, 0.3, 0.8])
def test_the_correlation_within_runs_is_found(planted):
    generator = numpy.random.default_rng(0)
    common, own = generator.normal(size=(800, 1)), generator.normal(size=(800, 6))
    scores = planted**0.5 * common + (1 - planted) ** 0.5 * own
    found = common_correlation({str(n): row.tolist() for n, row in enumerate(scores)})
    assert found == pytest.approx(planted, abs=0.06)


def test_a_correlation_is_a_correlation():
    assert common_correlation({}) == common_correlation({"one": [1.0]}) == 0
    assert common_correlation({"a": [1.0, -1.0], "b": [2.0, -2.0]}) == 0
    assert common_correlation({"a": [1.0, 1.0], "b": [-2.0, -2.0]}) == 0.95
    assert common_correlation({"a": [0.0, 0.0]}) == 0
