"""The optimiser's next step, computed before it is taken."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor

from ...errors import OutputError
from ..handles import OffloadedCopy, local, put

_FOREIGN_OPTIONS = ("amsgrad", "maximize")


class NextStep(NamedTuple):
    """The next step of Adam or AdamW, from its moments and the gradients that are there."""

    state: Mapping[Tensor, Mapping[str, Any]]
    groups: dict[Tensor, dict[str, Any]]

    @classmethod
    def of(cls, optimizer: object) -> "NextStep | str":
        """Read an optimiser.

        Args:
            optimizer: The trainer's.

        Returns:
            Its next step, or the reason why it cannot be computed.
        """
        inner = optimizer.optimizer if isinstance(optimizer, AcceleratedOptimizer) else optimizer
        if not isinstance(inner, torch.optim.Adam | torch.optim.AdamW):
            return f"{type(inner).__name__} is not Adam or AdamW"
        if getattr(optimizer, "scaler", None) is not None:
            return "gradients are scaled for float16"
        for option in _FOREIGN_OPTIONS:
            if any(group.get(option) for group in inner.param_groups):
                return f"{type(inner).__name__} with {option} is not supported"
        return cls(inner.state, {p: group for group in inner.param_groups for p in group["params"]})

    def after(self, parameter: Tensor) -> Tensor:
        """Compute this process's part of a parameter after the step.

        Args:
            parameter: With its gradient; it is not changed.

        Returns:
            The part, in the parameter's dtype; as it is where it has no gradient or is not trained.
        """
        now = local(parameter).detach()
        group = self.groups.get(parameter)
        if parameter.grad is None or group is None:
            return now.clone()
        rate, decay, (first, second) = float(group["lr"]), group["weight_decay"], group["betas"]
        held = self.state.get(parameter, {})
        taken = 1 + float(held["step"]) if "step" in held else 1.0
        moved = now.float().clone()
        gradient = local(parameter.grad).float().clone()
        if decay and _is_decoupled(group):
            moved.mul_(1 - rate * decay)
        elif decay:
            gradient.add_(moved, alpha=decay)
        # In place where it can be: these are as large as the largest matrix.
        size = gradient.square().mul_(1 - second)
        mean = gradient.mul_(1 - first)
        if "exp_avg" in held:
            size.add_(local(held["exp_avg_sq"]).float(), alpha=second)
            mean.add_(local(held["exp_avg"]).float(), alpha=first)
        size.div_(1 - second**taken).sqrt_().add_(float(group["eps"]))
        return moved.addcdiv_(mean, size, value=-rate / (1 - first**taken)).to(now.dtype)


@contextlib.contextmanager
def standing_after(
    step: NextStep, parameters: Mapping[str, Tensor], folder: Path
) -> Iterator[None]:
    """Move to where the next step leads, for the block; weights are put back bit for bit.

    Cost: the arithmetic of a step, and a copy of the trained weights, offloaded for the block.

    Args:
        parameters: Weights that are trained, by name.
        folder: On the disk that has room for a copy of them.

    Yields:
        Nothing.

    Raises:
        OutputError: The copy cannot be written.
    """
    try:
        copy = OffloadedCopy.of(parameters, folder)
    except OSError as error:
        raise OutputError(f"{folder}: a copy of the weights cannot be kept ({error})") from error
    held = dict(parameters)
    try:
        put(held, lambda name, _now: step.after(held[name]))
        yield
    finally:
        put(held, lambda name, _now: copy.get(name))
        copy.close()


def _is_decoupled(group: Mapping[str, Any]) -> bool:
    return bool(group.get("decoupled_weight_decay", False))
