"""`dry_run`: tokens, minutes, memory and disk of a question, before any weights are loaded."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...results import Document
from ..inputs import ModelChoice

if TYPE_CHECKING:
    from driftline.analyses import AssessmentRequest
    from driftline.capabilities import Capability, Suite
    from driftline.models import HollowModel, TrainingConfig, TrainingData


_TRAINED = 3
"""Forward passes that a trained token costs in products: forward, and backward twice a forward."""
_BYTES = {"bfloat16": 2.0, "float32": 4.0, None: 4.0}
_LOADED = {"4bit": 0.5, "8bit": 1.0}
_MEASURED_SECONDS = 0.3
_ROWS = 512
_PLANNED_RUNS = 20.0
"""Runs as long as the user's own that a plan may spend where no budget is given."""
_LOOKS_A_TRIAL = 5
"""One early, and one at each scale of the update."""
_CAVEATS = (
    "Counted from the config, the tokenizer and the data; no weights were loaded.",
    "Minutes count matrix products alone, at the rate measured just now on this machine, with its other work. "
    "Attention over long texts, the optimiser, loading PyTorch and reading files come on top.",
    "Memory is that of weights, gradients and the optimiser; activations come on top.",
)
_CHECKPOINTS = (
    "Disk is that of the tuned model. Checkpoints that the config asks for, and the monitor's checks after "
    "the base's, come on top."
)
_ADAPTER = (
    "An adapter is trained: gradients, optimiser and kept changes are as large as the adapter, and are "
    "not counted."
)


class Estimate(Document):
    """The estimated cost of a question."""

    schema_: Literal["driftline/estimate/1"] = Field(default="driftline/estimate/1", alias="schema")
    verdict: None = None
    command: str
    model: str
    num_parameters: int
    tokens_forward: int
    """Tokens to score; a token of a gradient counts as several."""
    tokens_trained: int
    num_steps_trained: int | None = None
    num_steps: int | None = None
    minutes: float
    """Time of the products alone, at `products_per_second`."""
    device: str
    products_per_second: float
    """Multiply-adds of float32 products, as measured just now."""
    memory_gib: float
    disk_gib: float | None
    """None where an adapter's size decides."""
    caveats: tuple[str, ...]


def estimate_summary(document: Estimate) -> str:
    """Return the text that the command prints."""
    trained = ""
    if document.tokens_trained:
        steps = ""
        if document.num_steps_trained is not None:
            steps = f" in {document.num_steps_trained:,} steps"
            if document.num_steps is not None:
                steps += f" (the run has {document.num_steps:,})"
        trained = f"\n  trained  {document.tokens_trained:,} tokens{steps}"
    disk = (
        "the size of the adapter" if document.disk_gib is None else f"{document.disk_gib:.2f} GiB"
    )
    lines = "\n".join(f"- {caveat}" for caveat in document.caveats)
    return (
        f"DRY RUN of {document.command} on {document.model}, {document.num_parameters:,} parameters\n"
        f"  scored   {document.tokens_forward:,} tokens{trained}\n"
        f"  time     {document.minutes:.1f} min or more on {document.device}\n"
        f"  memory   {document.memory_gib:.2f} GiB\n"
        f"  disk     {disk}\n\n{lines}\n"
    )


@dataclass(frozen=True)
class Work:
    """The work of a question, counted."""

    forward: float
    trained: float = 0.0
    steps_trained: int | None = None
    steps: int | None = None
    num_kept: int = 0
    keeps_checkpoint: bool = False
    copies: int = 1
    """Copies of the weights that are held to score."""
    config: "TrainingConfig | None" = None


@dataclass(frozen=True)
class TrainCost:
    """The inputs that decide the cost of a training run under the monitor."""

    data: "TrainingData"
    config: "TrainingConfig"
    suites: "tuple[Suite, ...]"


@dataclass(frozen=True)
class PlanCost:
    """The inputs that decide the cost of a plan."""

    data: "TrainingData"
    config: "TrainingConfig | None"
    suites: "tuple[Suite, ...]"
    num_items: int | None
    num_trials: int | None
    budget_tokens: float | None
    budget_minutes: float | None
    seed: int


def estimate_assessment(request: "AssessmentRequest", choice: "ModelChoice") -> Estimate:
    """Estimate the cost of `assess` or of a part of it.

    Args:
        request: What is asked; its model is not needed.
    """
    from driftline.analyses import planned_work
    from driftline.engine import RunFolder

    hollow = hollow_of(choice)
    check_packing_of(hollow, choice, request.config)
    with tempfile.TemporaryDirectory(prefix="driftline-estimate-") as kept:
        folder = RunFolder(Path(kept))
        counted = planned_work(
            replace(
                request, opened=hollow.opened, config=without_adapter(request.config), ray=None
            ),
            folder,
        )
    work = Work(
        counted.tokens_forward,
        counted.tokens_trained,
        counted.num_steps_trained,
        counted.num_steps,
        counted.num_kept,
        keeps_checkpoint=request.keeps_checkpoint,
        config=request.config,
    )
    return estimate(request.part, choice, hollow, work)


def estimate_training(cost: TrainCost, choice: "ModelChoice") -> Estimate:
    """Estimate the cost of `train`.

    Args:
        cost: What is trained, and under which watch.

    Returns:
        The estimate; of the monitor's checks, only the base's scores are counted.
    """
    hollow = hollow_of(choice)
    per_step, steps = _run_size(hollow, cost.config, cost.data)
    work = Work(
        scored_tokens(hollow, _capabilities(cost.suites)),
        per_step * steps,
        steps,
        steps,
        1,
        config=cost.config,
    )
    result = estimate("train", choice, hollow, work)
    return result.model_copy(update={"caveats": (*result.caveats, _CHECKPOINTS)})


def estimate_plan(cost: PlanCost, choice: "ModelChoice") -> Estimate:
    """Estimate the cost of `plan`, which its budget decides.

    Args:
        cost: What is searched.
    """
    from driftline.analyses import sampled_items
    from driftline.models import config_in_memory

    hollow = hollow_of(choice)
    config = config_in_memory({}) if cost.config is None else cost.config
    check_packing_of(hollow, choice, config)
    per_step, steps = _run_size(hollow, config, cost.data)
    runs = min(_PLANNED_RUNS, cost.num_trials or _PLANNED_RUNS)
    trained = cost.budget_tokens or runs * per_step * steps
    capabilities = sampled_items(_capabilities(cost.suites), cost.num_items, seed=cost.seed)
    scored: float = scored_tokens(hollow, capabilities)
    if cost.budget_tokens is None:
        # Half of the items at each look of each trial; a budget in tokens has them in it.
        scored += runs * _LOOKS_A_TRIAL * scored / 2
    work = Work(scored, trained, None, steps, 1, config=config)
    result = estimate("plan", choice, hollow, work)
    if cost.budget_minutes is None:
        return result
    return result.model_copy(update={"minutes": float(cost.budget_minutes)})


def estimate_certification(suites: "tuple[Suite, ...]", choice: "ModelChoice") -> Estimate:
    """Estimate the cost of `certify`: both models on all items, and some of the base twice.

    Args:
        suites: What is scored.
    """
    hollow = hollow_of(choice)
    capabilities = _capabilities(suites)
    again = [c.sample(min(16, len(c.items) - 1), seed=0) for c in capabilities]
    work = Work(2 * scored_tokens(hollow, capabilities) + scored_tokens(hollow, again), copies=2)
    return estimate("certify", choice, hollow, work)


def hollow_of(choice: "ModelChoice") -> "HollowModel":
    """Open a stand-in with the real tokenizer and context, a few weights wide."""
    from driftline.models import open_hollow

    return open_hollow(choice.source, trust_remote_code=choice.trust_remote_code)


def check_packing_of(
    hollow: "HollowModel", choice: "ModelChoice", config: "TrainingConfig"
) -> None:
    """Refuse a config that wants the base quantised otherwise than the probe would open it.

    Args:
        hollow: The base's stand-in.
        choice: How it would be opened.
        config: The user's config.

    Raises:
        ConfigError: As the probe itself would say it.
    """
    from driftline.models import check_packing

    opened = {"4bit": "4-bit", "8bit": "8-bit"}.get(choice.load_in or "")
    check_packing(config, choice.source, opened or hollow.packing)


def _capabilities(suites: "tuple[Suite, ...]") -> "list[Capability]":
    return [capability for suite in suites for capability in suite.capabilities]


def without_adapter(config: "TrainingConfig") -> "TrainingConfig":
    """Drop what needs the real layers; rows, steps and learning rates stay."""
    return config.without_adapter().without("load_in_4bit", "load_in_8bit", "dtype")


def _run_size(
    hollow: "HollowModel", config: "TrainingConfig", data: "TrainingData"
) -> tuple[float, int]:
    """Count tokens per step, and steps, of a run."""
    from driftline.models import Trajectory, plan_training

    plain = without_adapter(config)
    plan = plan_training(hollow.opened, plain, data)
    trajectory = Trajectory(hollow.opened, plain, data, Path(), (plan.num_steps,), plan)
    return trajectory.estimated_tokens_per_step(), plan.num_steps


def scored_tokens(hollow: "HollowModel", capabilities: "Sequence[Capability]") -> int:
    """Count the tokens to score capabilities once.

    Args:
        capabilities: With the items that are scored.
    """
    from driftline.engine import LocalEngine, Meter, ResultStore
    from driftline.models import ScoringOptions

    with (
        tempfile.TemporaryDirectory(prefix="driftline-estimate-") as kept,
        ResultStore(Path(kept) / "results.sqlite") as store,
    ):
        engine = LocalEngine(hollow.opened, store, ScoringOptions(), Meter())
        return engine.num_tokens(capabilities)


def estimate(command: str, choice: "ModelChoice", hollow: "HollowModel", work: Work) -> Estimate:
    """Turn work into minutes, memory and disk.

    Args:
        command: The question.
        hollow: Its stand-in.
    """
    rate, device = _measured_rate(hollow.hidden_size)
    num = hollow.num_parameters
    passes = work.forward + _TRAINED * work.trained
    is_adapter = work.config is not None and work.config.uses_peft
    held = num * (_LOADED.get(choice.load_in or "") or _BYTES[choice.dtype]) * work.copies
    if work.trained:
        # A copy that is trained; in full also a gradient and Adam's two moments, all in float32.
        held += num * 4.0 * (1 if is_adapter else 4)
    # A checkpoint holds the weights and both of Adam's moments.
    num_stored = work.num_kept + 3 * work.keeps_checkpoint
    kept = None if is_adapter else num * 4.0 * num_stored / 2**30
    return Estimate(
        command=command,
        model=choice.source,
        num_parameters=num,
        tokens_forward=round(work.forward),
        tokens_trained=round(work.trained),
        num_steps_trained=work.steps_trained,
        num_steps=work.steps,
        minutes=passes * num / rate / 60,
        device=device,
        products_per_second=rate,
        memory_gib=held / 2**30,
        disk_gib=kept,
        caveats=(*_CAVEATS, _ADAPTER) if is_adapter else _CAVEATS,
    )


def _measured_rate(hidden: int) -> tuple[float, str]:
    """Measure multiply-adds per second of products as large as the model's."""
    import torch

    is_cuda = torch.cuda.is_available()
    device = torch.device("cuda" if is_cuda else "cpu")
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(_ROWS, hidden, generator=generator).to(device)
    weight = torch.randn(hidden, 4 * hidden, generator=generator).to(device)
    count, started = 0, time.monotonic()
    while time.monotonic() - started < _MEASURED_SECONDS:
        rows @ weight
        if is_cuda:
            torch.cuda.synchronize()
        count += 1
    rate = count * _ROWS * 4 * hidden * hidden / (time.monotonic() - started)
    name = torch.cuda.get_device_name() if is_cuda else f"{torch.get_num_threads()} CPU threads"
    return rate, name
