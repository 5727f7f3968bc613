"""Sensitivity self-test before the first step: on a perturbed copy, every alarm can be raised."""

import math
from collections.abc import Callable, Mapping

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ...errors import ConfigError, RunError
from ..handles import local, put, rank, trained_parameters, weights_put_back

_FIRST, _GROWTH, _TIMES = 0.5, 4.0, 4
"""Noise as a share of each weight's own size, how it grows, and how often it is tried."""


class BlindError(ConfigError):
    """Required capabilities would raise no alarm even with ruined weights."""

    def __init__(self, capabilities: tuple[str, ...]) -> None:
        """Name them.

        Args:
            capabilities: Empty where the scores were no numbers.
        """
        super().__init__(
            f"monitor: {', '.join(capabilities) or 'a capability'}: would raise no alarm even with ruined "
            "weights, because the base knows too little to lose or the items are too few; give more "
            "items, or write `required: false` in the suite (a shipped one is changed in a copy: "
            "docs/suites.md)"
        )
        self.capabilities = capabilities


def check_sensitivity(
    model: torch.nn.Module,
    trips: Callable[[], Mapping[str, bool]],
    *,
    seed: int,
) -> float:
    """Perturb the trained weights more and more until every required capability has tripped.

    One that has tripped at some noise is sensitive, so two may trip at different noises. The way from the
    weights through scoring and statistics to the alarm is the one that training will take. Weights are put
    back bit for bit, and that is checked.

    Args:
        model: The model in training, at the base.
        trips: Scores where the model stands, and says of each required capability whether its alarm
            would be raised at a first look; raises RunError where scores are not finite.
        seed: Random seed of the noise.

    Returns:
        The noise at which the last of them tripped, as a share of each weight's own size.

    Raises:
        BlindError: A required capability trips at no noise, so that its silence would say nothing.
        RunError: The weights did not come back.
    """
    parameters = trained_parameters(model)
    blind: list[str] | None = None
    for attempt in range(_TIMES):
        size = _FIRST * _GROWTH**attempt
        with weights_put_back(parameters) as before:
            generator = torch.Generator().manual_seed(seed + 1000 * attempt + rank())
            put(parameters, lambda _n, now: now + _noise(now, size, generator))  # noqa: B023
            try:
                silent = [name for name, has_tripped in trips().items() if not has_tripped]
            except RunError:
                # Not a number at all: too much noise says nothing of one capability by itself.
                break
        _check_back(parameters, before)
        blind = [name for name in silent if blind is None or name in blind]
        if not blind:
            return size
    raise BlindError(tuple(blind or ()))


def _noise(weight: Tensor, size: float, generator: torch.Generator) -> Tensor:
    spread = float(weight.float().square().mean().sqrt())
    if spread == 0:
        # An adapter begins at zero on one side.
        spread = 1 / math.sqrt(max(weight.shape) if weight.ndim else 1)
    drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float32)
    return (size * spread * drawn).to(weight.device, weight.dtype)


def _check_back(parameters: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> None:
    for name, parameter in parameters.items():
        if not torch.equal(local(parameter), before[name]):
            raise RunError(f"{name}: was not restored after the sensitivity self-test")


def mean_losses(
    losses: Mapping[str, Float[ndarray, " items"]], base: Mapping[str, Float[ndarray, " items"]]
) -> dict[str, float]:
    """Return the mean loss of each capability against the base, in its own unit."""
    return {name: float(numpy.mean(now - base[name])) for name, now in losses.items()}
