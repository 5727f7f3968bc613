"""The fragility map: what the rows say of slopes, and that intervals cover."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy
import pytest

from driftline.analyses.assessment import _assess as assess_module
from driftline.analyses.fragility import _fragility as fragility_module
from driftline.analyses.fragility import _noise_sensitivity as noise_module
from driftline.analyses.fragility._fragility import fragility_map, map_capabilities, module_rows
from driftline.capabilities import Capability, MinimalPair
from driftline.engine import LocalEngine, ResultStore, RunFolder, SlopeTable
from driftline.engine.evaluation._slopes import CapabilitySlopes
from driftline.errors import RunError
from driftline.models import ModuleChange, Point, ScoringOptions, Term
from driftline.report.terminal import summary
from driftline.stats import mean_interval

from ..conftest import CHOICES, EFFORT, PAIRS, SUITE

EXACT = ScoringOptions(bfloat16=False)
MODULES = (
    ModuleChange("m.embed", None, "embedding", 100, 0.2, 10.0),
    ModuleChange("m.layers.0.q", 0, "q", 10, 0.1, 1.0),
    ModuleChange("m.layers.0.k", 0, "k", 10, 0.3, 1.0),
)


@pytest.fixture(scope="module")
def study(planned, tmp_path_factory):
    folder = RunFolder.open(tmp_path_factory.mktemp("map"), "map", outputs=(), force=False)
    with folder, ResultStore(folder.store) as store:
        engine = LocalEngine(planned.opened, store)
        yield assess_module._study(planned.request("map"), folder, engine)[0]


def rows_of(slopes, capability=PAIRS):
    table = SlopeTable(MODULES, (), (), 0)
    return module_rows(table, CapabilitySlopes(capability, numpy.asarray(slopes), ()))


def planted(means, num_items=6):
    spread = numpy.linspace(-0.01, 0.01, num_items)[:, None]
    return numpy.asarray(means)[None] + spread


def test_a_planted_map_is_found():
    rows = rows_of(planted([0.3, 0.2, -0.3]))
    assert [row.module for row in rows] == [m.name for m in MODULES]
    assert [row.sensitivity for row in rows] == pytest.approx([15.0, 2.0, -1.0])
    assert [row.rank for row in rows] == [1, 2, 3]
    assert [row.loss for row in rows] == pytest.approx([0.3, 0.2, -0.3])
    assert [row.relative_norm for row in rows] == pytest.approx([0.02, 0.1, 0.3])
    assert [(row.layer, row.role) for row in rows] == [(None, "embedding"), (0, "q"), (0, "k")]
    assert [row.num_parameters for row in rows] == [100, 10, 10]
    assert all(row.low < row.sensitivity < row.high for row in rows)
    assert {row.unit for row in rows} == {"nats per unit of relative update"}


def test_an_accuracy_is_mapped_by_its_margin_and_says_so():
    rows = rows_of(planted([0.3, 0.2, -0.3]), CHOICES)
    assert {row.unit for row in rows} == {"nats of margin per unit of relative update"}


def test_intervals_treat_a_group_as_one_draw():
    slopes = planted([0.3, 0.2, -0.3])
    row = rows_of(slopes)[1]
    expected = mean_interval(slopes[:, 1] / 0.1, groups=PAIRS.groups())
    assert (row.sensitivity, row.low, row.high) == pytest.approx(expected[:3])
    assert expected != mean_interval(slopes[:, 1] / 0.1)


def test_intervals_cover_the_truth_as_often_as_they_say():
    generator = numpy.random.default_rng(0)
    items = tuple(MinimalPair(id=str(i), good="a", bad="b", group=str(i // 2)) for i in range(40))
    clustered = Capability("c", "minimal_pair", "margin_nats", 0.1, items)
    covered = []
    for _ in range(400):
        shared = generator.normal(size=(20, 3)).repeat(2, axis=0)
        slopes = 0.05 + 0.1 * (shared + generator.normal(size=(40, 3)))
        for row, module in zip(rows_of(slopes, clustered), MODULES, strict=True):
            covered.append(row.low <= 0.05 / module.relative_norm <= row.high)
    assert 0.87 < numpy.mean(covered) < 0.93


def test_equal_modules_are_ranked_in_the_order_of_the_model():
    assert [row.rank for row in rows_of(numpy.zeros((6, 3)))] == [1, 2, 3]


def test_the_map_measures_every_module_that_moves(study):
    found = fragility_map(study)
    weights = {w.name.rpartition(".")[0] for w in study.engine.opened.weights}
    assert {row.module for row in found.rows} == weights
    assert {row.module for row in found.target} == weights
    assert {row.capability for row in found.target} == {"target"}
    assert [r.capability for r in found.regions] == [
        c.name for c in SUITE.capabilities for _ in range(2)
    ]
    assert found.unread == found.caveats() == ()
    study.engine.opened.check_unchanged()


def test_a_row_is_what_taking_the_share_back_gives(study):
    """To first order, so for a small module and a little of it."""
    found = fragility_map(study)
    pairs = study.capabilities[0].sample(EFFORT.num_map_items, seed=study.seed)
    engine, end = study.engine, Term(study.update, 1.0)
    for module in ("model.layers.0.self_attn.k_proj", "model.layers.1.mlp.up_proj"):
        back = Term(study.update, {f"{module}.weight": -1e-3})
        points = [Point("end", (end,)), Point(f"less {module}", (end, back))]
        table = LocalEngine(engine.opened, engine.store, EXACT).evaluate(points, (pairs,))
        values = [table.values(point, pairs).mean() for point in points]
        (row,) = (r for r in found.rows if (r.module, r.capability) == (module, pairs.name))
        assert (values[1] - values[0]) / 1e-3 == pytest.approx(row.loss, rel=0.1, abs=0.02)


def test_every_module_has_its_noise(study):
    found = fragility_map(study)
    assert [n.module for n in found.noise] == list(dict.fromkeys(r.module for r in found.rows))
    sizes = {w.name.rpartition(".")[0]: w.num_elements for w in study.engine.opened.weights}
    for each in found.noise:
        assert each.num_parameters == sizes[each.module]
        assert 0 <= each.low <= each.expected_kl_nats <= each.high
        assert each.root_mean_square_change > 0
    assert max(each.expected_kl_nats for each in found.noise) > 0
    assert found.noise_obstacle is None
    again = fragility_map(study)
    assert again.noise == found.noise


def test_without_gradients_of_weights_the_reason_is_said(study, monkeypatch):
    monkeypatch.setattr(noise_module, "gradient_obstacle", lambda _opened: "it is packed")
    found = fragility_map(study)
    assert found.noise == ()
    assert found.rows
    assert found.caveats() == ("What modules cost by moving at all is not known: it is packed.",)
    assert noise_module.noise_tokens(study) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError("mat1 and mat2\nmust have the same dtype"),
            "RuntimeError: mat1 and mat2 must have",
        ),
        (RunError("m.layers.0.q: its slope cannot be measured"), "m.layers.0.q: its slope cannot"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_map_that_fails_costs_the_map_alone(planned, tmp_path, monkeypatch, error, words):
    def fail(*_args, **_more):
        raise error

    monkeypatch.setattr(fragility_module, "measure_slopes", fail)
    found = planned.ask(tmp_path / "assess", "assess")
    assert words in found.map_failure
    assert "\n" not in found.map_failure
    assert any(found.map_failure in caveat for caveat in found.caveats[:2])
    assert found.forecast
    assert found.margins
    assert found.verdict is not None
    assert (found.fragility, found.protect, found.protect_share) == ((), (), None)
    assert json.loads(found.to_json())["map_failure"] == found.map_failure
    assert f"No map: it failed: {words[:20]}" in summary(found)
    with pytest.raises(RunError, match=r"^the map failed: "):
        planned.ask(tmp_path / "map", "map")


def test_a_disk_that_fails_is_no_failed_map(study, monkeypatch):
    def fail(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fragility_module, "measure_slopes", fail)
    with pytest.raises(OSError, match="No space left"):
        fragility_module.attempted_map(study)


def test_the_protected_quarter_is_of_the_required_capabilities(study):
    found = fragility_map(study)
    chosen, share = assess_module.protected_quarter(study, found)
    sizes = {r.module: r.num_parameters for r in found.rows if r.layer is not None}
    assert chosen
    assert set(chosen) <= set(sizes)
    assert share == sum(sizes[m] for m in chosen) / sum(sizes.values())
    assert 0.1 < share <= 0.25
    watched = replace(study, capabilities=(replace(study.capabilities[0], required=False),))
    assert assess_module.protected_quarter(watched, found) == ((), None)


def test_no_module_is_protected_for_what_the_base_lacks(study, monkeypatch):
    found, seen = fragility_map(study), []
    names = {row.capability for row in found.rows}
    lacking = replace(study, lacking=frozenset(names))
    assert assess_module.protected_quarter(lacking, found) == ((), None)
    other = [row.model_copy(update={"capability": "other"}) for row in found.rows]
    required = replace(study.capabilities[0], name="other")
    both = replace(
        study, capabilities=(*study.capabilities, required), lacking=frozenset({"other"})
    )
    monkeypatch.setattr(
        "driftline.analyses.fragility._protected.most_fragile",
        lambda rows, *_args, **_more: seen.extend(row.capability for row in rows) or (),
    )
    assess_module.protected_quarter(both, replace(found, rows=(*found.rows, *other)))
    assert seen
    assert "other" not in seen


def test_what_has_no_gradient_is_left_out(study):
    generated = SimpleNamespace(
        name="answers",
        measure=SimpleNamespace(has_gradient=False),
        sample=lambda *_args, **_kwargs: generated,
    )
    capabilities = (*study.capabilities, generated)
    fake = SimpleNamespace(
        effort=EFFORT,
        seed=0,
        target=study.target,
        sampled=lambda n: tuple(c.sample(n, seed=0) for c in capabilities),
    )
    names = [c.name for c in map_capabilities(fake)]
    assert names == [*(c.name for c in study.capabilities), "target"]


def test_ranks_are_a_permutation_by_sensitivity(answered):
    rows = answered("map").fragility
    assert {row.capability for row in rows} == {"pairs", "choices", "texts"}
    for name in ("pairs", "choices", "texts"):
        own = sorted((row for row in rows if row.capability == name), key=lambda row: row.rank)
        assert [row.rank for row in own] == list(range(1, len(own) + 1))
        sensitivities = [row.sensitivity for row in own]
        assert sensitivities == sorted(sensitivities, reverse=True)
