"""Interventions in a run: lower the learning rate, stop, roll back."""

from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.scheduler import AcceleratedScheduler
from torch.optim.lr_scheduler import LRScheduler

from ...errors import RunError
from ..handles import SnapshotRing, quarantine_checkpoints


def lower_learning_rate(optimizer: object, scheduler: object, factor: float) -> float:
    """Multiply the learning rate of all steps to come; it stays so through a checkpoint.

    Args:
        optimizer: The trainer's.
        scheduler: The trainer's.
        factor: Below 1.

    Returns:
        The rate of the next step.

    Raises:
        RunError: The schedule does not go by base rates, so it would undo the change.
    """
    held = optimizer.optimizer if isinstance(optimizer, AcceleratedOptimizer) else optimizer
    plan = scheduler.scheduler if isinstance(scheduler, AcceleratedScheduler) else scheduler
    assert isinstance(held, torch.optim.Optimizer)
    if not isinstance(plan, LRScheduler):
        raise RunError(
            f"{type(plan).__name__}: the learning rate of this schedule cannot be lowered; choose "
            "another action"
        )
    plan.base_lrs = [rate * factor for rate in plan.base_lrs]
    for group in held.param_groups:
        group["lr"] *= factor
        if "initial_lr" in group:
            group["initial_lr"] *= factor
    return float(held.param_groups[0]["lr"])


def roll_back(
    model: torch.nn.Module, ring: SnapshotRing, *, step: int, safe_step: int, output_dir: Path
) -> tuple[str, list[str]]:
    """Store the damaged weights apart, and restore the last safe ones.

    Args:
        model: The model in training.
        ring: Holds the safe weights.
        step: After which the model stands.
        output_dir: The trainer's; checkpoints of later steps go into its `quarantine/`.

    Returns:
        Folder of the damaged weights, and the checkpoints that were moved.
    """
    apart = ring.set_apart(model, step)
    ring.restore(model, safe_step)
    return str(apart), quarantine_checkpoints(output_dir, after=safe_step)


def withhold_step(model: torch.nn.Module) -> None:
    """Leave the weights where they are at the optimiser's next step, which passes over what has no gradient.

    Args:
        model: The model in training.
    """
    for parameter in model.parameters():
        parameter.grad = None


def forget_moments(optimizer: object) -> None:
    """Clear the optimiser's moments, which point where the damage was done."""
    held = optimizer.optimizer if isinstance(optimizer, AcceleratedOptimizer) else optimizer
    assert isinstance(held, torch.optim.Optimizer)
    held.state.clear()


def last_safe(steps: Sequence[int], safe_step: int) -> int:
    """Return the latest snapshot that is not later than the last safe step."""
    result = [step for step in steps if step <= safe_step]
    if not result:
        raise RunError(f"there is no snapshot of step {safe_step} or before to roll back to")
    return result[-1]
