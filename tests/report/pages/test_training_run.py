"""The page of a training run: escaped, without scripts, equal for equal runs."""

from driftline.report import render_training_run
from driftline.report.terminal import training_run_summary
from driftline.results import (
    CapabilityCourse,
    LossPoint,
    ModelProvenance,
    MonitorAlarm,
    Numerics,
    Provenance,
    TrainingCost,
    TrainingRun,
)


def sample(**changes) -> TrainingRun:
    """A run with one alarm and two checks."""
    point = LossPoint(
        step=2,
        losses={"code": 0.1, "facts<b>": 0.2},
        kl_suite_nats=0.1,
        representation_drift=0.01,
        update_relative_norm=None,
        steps_left=12.0,
    )
    values = {
        "verdict": "unsafe",
        "reasons": ("step 4: selective_capability_loss: facts<b> has lost 0.9 nats",),
        "num_steps": 4,
        "planned_steps": 8,
        "rolled_back_to": None,
        "every_steps": 2,
        "alpha": 0.05,
        "capabilities": (_course("code", 0.2), _course("facts<b>", None)),
        "alarms": (
            MonitorAlarm(
                step=4,
                detector="selective_capability_loss",
                capabilities=("facts<b>",),
                evidence=("facts<b> has lost 0.9 nats on its items",),
                action="stop",
            ),
        ),
        "checks": (point, point.model_copy(update={"step": 4})),
        "model_folder": "model",
        "cost": TrainingCost(wall_seconds=10.0, monitor_seconds=1.0, monitor_share=0.1),
        "caveats": ("A caveat.",),
        "provenance": _PROVENANCE,
        **changes,
    }
    return TrainingRun(**values)


def _course(name: str, change: float | None) -> CapabilityCourse:
    return CapabilityCourse(
        capability=name,
        metric="margin_nats",
        unit="nats",
        tolerance=0.25,
        required=True,
        num_items=60,
        change=change,
        within_tolerance=None if change is None else change >= -0.25,
        largest_loss=0.9,
        largest_loss_step=4,
        alarm_step=None,
    )


_PROVENANCE = Provenance(
    driftline_version="0",
    python_version="3",
    packages={},
    command="train",
    model=ModelProvenance(
        source="base",
        revision=None,
        digest="sha256:0",
        architecture="Llama",
        num_parameters=1,
        dtype="float32",
    ),
    data=None,
    config=None,
    suites=(),
    numerics=Numerics(
        compute_dtype="float32",
        device="cpu",
        num_threads=1,
        torch_version="0",
        batch_tokens=1,
        prefix_reuse=True,
    ),
    seed=0,
    created="2026-01-01T00:00:00+00:00",
)


def test_the_page_shows_the_alarm_escapes_names_and_has_no_script():
    page = render_training_run(sample())
    assert "facts&lt;b&gt;" in page
    assert "facts<b>" not in page
    assert "<script" not in page
    assert "selective_capability_loss" in page
    assert "<svg" in page
    assert page == render_training_run(sample())


def test_one_check_has_no_chart_and_no_alarm_says_so():
    run = sample(
        alarms=(), checks=sample().checks[:1], verdict="no_alarm", reasons=("all is well",)
    )
    page = render_training_run(run)
    assert "<svg" not in page
    assert "None." in page


def test_the_summary_begins_with_the_verdict_and_names_what_is_not_known():
    text = training_run_summary(sample())
    assert text.startswith("UNSAFE: step 4:")
    assert "step 4: selective_capability_loss (stop): facts" in text
    assert "10 %" in text or "10%" in text
    assert max(map(len, text.splitlines())) <= 110


def test_a_document_survives_its_file():
    assert TrainingRun.from_json(sample().to_json()) == sample()
