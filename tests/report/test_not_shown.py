"""What the base is not shown to have: listed as that, and nowhere as the worst, the limit or at risk."""

import pytest

from driftline.analyses.selection._config_race import draw_worst_losses
from driftline.monitor.signals._update_norm import critical_relative_norm
from driftline.questions.finished_runs._two_runs import two_runs
from driftline.report import figures, render_html, render_plan, render_repair
from driftline.report.charts._safe_envelope import envelope_key
from driftline.report.pages._assessment import _groups, _tiles
from driftline.report.pages._assessment_figures import assessment_figures
from driftline.report.pages._assessment_tables import bounds_table, path_table
from driftline.report.terminal import assessment_screen, summary
from driftline.report.terminal._run_comparison import largest_difference
from driftline.results.readings import (
    NOT_SHOWN,
    held_envelope,
    held_losses,
    held_margins,
    in_points,
    module_ranks,
    ordered_margins,
)

from ..results.plan_sample import build_plan
from ..results.repair_sample import build_repair
from .sample import CAPABILITIES, build

LACKING = "world_facts"
"""The one that is lost most, has the least margins and the tightest contour."""


def without(*names):
    document = build()
    scores = tuple(
        s.model_copy(update={"nothing_to_lose": "too few are right"})
        if s.capability in names
        else s
        for s in document.scores
    )
    return document.model_copy(update={"scores": scores})


@pytest.fixture(scope="module")
def lacking():
    return without(LACKING)


def test_the_sample_has_it_first_otherwise():
    document = build()
    assert held_losses(document)[0].capability == LACKING
    assert held_margins(document, "path")[0].capability == LACKING
    assert held_envelope(document).contours[0].capability == LACKING
    assert f"Worst: {LACKING}" in assessment_screen(document).loss


def test_it_is_last_in_every_list_and_first_in_none(lacking):
    assert held_losses(lacking)[0].capability == "german"
    assert LACKING not in {loss.capability for loss in held_losses(lacking)}
    for kind in ("path", "radius"):
        assert ordered_margins(lacking, kind)[-1].capability == LACKING
        assert LACKING not in {m.capability for m in held_margins(lacking, kind)}
    assert len(ordered_margins(lacking)) == len(lacking.margins)
    assert LACKING not in {c.capability for c in held_envelope(lacking).contours}
    assert all(LACKING not in key.words for key in envelope_key(held_envelope(lacking)))


def test_the_terminal_lists_it_as_not_shown(lacking):
    assert f"Worst: {LACKING}" not in assessment_screen(lacking).loss
    text = summary(lacking)
    (row,) = (
        line for line in text.splitlines() if line.startswith(f"  {LACKING}") and "nats" in line
    )
    assert "not shown" in row
    assert "lost" not in row
    assert f"{NOT_SHOWN}: {LACKING}" in text
    assert max(map(len, text.splitlines())) <= 100
    bare = lacking.model_copy(update={"forecast": ()})
    assert (
        f"Least margin: {LACKING}"
        in assessment_screen(build().model_copy(update={"forecast": ()})).loss
    )
    assert LACKING not in assessment_screen(bare).loss


def test_the_page_lists_it_in_a_group_of_its_own(lacking):
    groups = {verdict: names for _, verdict, names in _groups(lacking)}
    assert groups["not_shown"] == [LACKING]
    assert all(LACKING not in names for verdict, names in groups.items() if verdict != "not_shown")
    assert "not_shown" not in {verdict for _, verdict, _ in _groups(build())}
    assert all(LACKING not in words for _, _, words in _tiles(lacking))
    assert all(LACKING not in row for row in bounds_table(lacking).rows)
    path = path_table(lacking)
    assert path.rows[-1][0] == LACKING
    assert any(LACKING in note and NOT_SHOWN in note for note in path.notes)
    shown = dict(assessment_figures(in_points(lacking)))
    assert f"Worst relative to its tolerance: {LACKING}" not in shown["forecast"].wide
    assert "Most: world_facts" not in shown["used_margin"].wide
    assert NOT_SHOWN in {key.words for key in shown["used_margin"].key}


def test_ranks_of_modules_are_those_of_what_the_base_has(lacking):
    for rank in module_ranks(lacking):
        own = [f for f in lacking.fragility if f.module == rank.module and f.capability != LACKING]
        assert rank.mean_rank == pytest.approx(sum(f.rank for f in own) / len(own))
        assert LACKING not in rank.first_for


def test_where_the_base_has_nothing_all_is_still_listed_and_nothing_is_ranked():
    empty = without(*CAPABILITIES)
    assert held_losses(empty) == ()
    assert module_ranks(empty) == ()
    assert assessment_screen(empty).loss is None
    text = summary(empty)
    assert "Most fragile" not in text
    assert "fragility" in figures(empty)
    html = render_html(empty)
    assert "no module is ranked" in html
    assert "Not shown by the base (10)" in html


def test_the_monitor_takes_the_critical_norm_of_what_the_base_has(lacking):
    radii = {
        m.capability: m.critical_relative_norm for m in lacking.margins if m.direction == "update"
    }
    assert critical_relative_norm(build()) == radii[LACKING]
    assert critical_relative_norm(lacking) == min(
        radius for name, radius in radii.items() if name != LACKING
    )


def test_two_runs_are_not_told_apart_by_it(lacking):
    first = lacking.forecast
    moved = tuple(
        f.model_copy(update={"predicted_change": f.predicted_change - size})
        for f, size in zip(first, (0.0, 5.0, 0.1, *(0.0,) * 7), strict=True)
    )
    for document, largest in ((build(), LACKING), (lacking, "arithmetic")):
        second = document.model_copy(update={"forecast": moved})
        found = two_runs(("a", document), ("b", second))
        assert largest_difference(found).capability == largest
    verdicts = {pair.capability: pair.first.verdict for pair in found.readings}
    assert verdicts[LACKING] == "not_shown"
    assert verdicts["german"] != "not_shown"


def test_a_config_without_any_capability_to_lose_has_a_worst_loss_of_0():
    assert not draw_worst_losses([], correlation=0.2, generator=None).any()


@pytest.mark.parametrize(
    ("build_search", "render"), [(build_plan, render_plan), (build_repair, render_repair)]
)
def test_a_search_that_nothing_holds_back_has_no_worst_loss_and_still_a_page(build_search, render):
    def without_worst(look):
        return look.model_copy(update={"worst_capability": None, "worst_loss": None})

    found = build_search()
    looks = tuple(without_worst(look) for look in found.looks)
    html = render(found.model_copy(update={"looks": looks, "chosen": without_worst(found.chosen)}))
    assert "None" not in html
