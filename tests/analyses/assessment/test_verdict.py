"""The verdict on a run from the verdicts on its capabilities."""

import pytest

from driftline.analyses.assessment._verdict import judge
from driftline.results import CapabilityForecast, StabilityMargin


def row(name, verdict, *, required=True, at_risk=None):
    return CapabilityForecast(
        capability=name,
        metric="margin_nats",
        unit="nats",
        base_value=1.0,
        predicted_change=-0.5,
        low=-0.75,
        high=-0.25,
        confidence_level=0.9,
        tolerance=0.3,
        required=required,
        at_risk=verdict == "lost" if at_risk is None else at_risk,
        verdict=verdict,
    )


def rows(verdicts, *, required=True):
    return [row(f"{verdict}-{i}", verdict, required=required) for i, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["retained"], "safe"),
        (["retained", "retained"], "safe"),
        (["inconclusive"], "inconclusive"),
        (["retained", "inconclusive"], "inconclusive"),
        (["lost"], "unsafe"),
        (["retained", "lost"], "unsafe"),
        (["inconclusive", "lost", "retained"], "unsafe"),
    ],
)
def test_the_worst_required_capability_decides(verdicts, expected):
    for given in (verdicts, verdicts[::-1]):
        assert judge(rows(given))[0] == expected


@pytest.mark.parametrize("watched", ["retained", "inconclusive", "lost"])
@pytest.mark.parametrize(
    ("required", "expected"),
    [("retained", "safe"), ("inconclusive", "inconclusive"), ("lost", "unsafe")],
)
def test_watched_ones_do_not_count(required, expected, watched):
    given = [*rows([required]), *rows([watched], required=False)]
    assert judge(given) == judge(rows([required]))
    assert judge(given)[0] == expected


@pytest.mark.parametrize("given", [[], rows(["lost", "retained"], required=False)])
def test_without_a_required_capability_nothing_can_be_said(given):
    verdict, reasons = judge(given)
    assert verdict == "inconclusive"
    assert reasons == ("no capability is required, so there is nothing to judge by",)


def test_reasons_name_the_capabilities_the_worst_first():
    _, reasons = judge(rows(["retained", "inconclusive", "lost", "retained"]))
    assert len(reasons) == 3
    assert reasons[0].startswith("lost-2: ")
    assert reasons[0].endswith("beyond its tolerance")
    assert "-0.50 nats (90% interval -0.75 to -0.25, tolerance 0.3)" in reasons[0]
    assert reasons[1].startswith("inconclusive-1: ")
    assert reasons[1].endswith("the tolerance lies inside")
    assert reasons[2] == (
        "within tolerance at its end, by the whole interval: retained-0, retained-3"
    )


def passing(name, step):
    return StabilityMargin(
        capability=name, kind="path", direction="planned training", tolerance=0.3, unit="nats",
        base_value=1.0, low=step, high=step, confidence_level=0.9, critical_steps=step, curve=(),
    )  # fmt: skip


def test_a_tolerance_that_is_passed_on_the_way_is_not_safe():
    given = rows(["retained", "retained"])
    assert judge(given, [passing("retained-0", None)]) == judge(given)
    verdict, reasons = judge(given, [passing("retained-0", 7.0)])
    assert verdict == "inconclusive"
    assert reasons[-1] == "retained-0: passes its tolerance on the way, at step 7"
    watched = [*given, row("watched", "retained", required=False)]
    assert judge(watched, [passing("watched", 7.0)])[0] == "safe"


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("retained", "inconclusive"), ("inconclusive", "inconclusive"), ("lost", "unsafe")],
)
def test_a_run_is_not_safe_for_what_the_base_lacks(verdict, expected):
    found, reasons = judge(
        [row("french", "retained"), row("sums", verdict)], lacking=["sums", "other"]
    )
    assert found == expected
    assert ("not shown to have sums" in reasons[0]) == (verdict == "retained")


def test_a_watched_capability_that_the_base_lacks_decides_nothing():
    given = [row("french", "retained"), row("sums", "retained", required=False)]
    assert judge(given, lacking=["sums"])[0] == "safe"
