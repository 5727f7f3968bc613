"""Levers of a plan for one model and config, without those that cannot be trained."""

from collections.abc import Iterator, Sequence

from ...errors import ConfigError
from ...models import (
    LanguageModel,
    TrainingConfig,
    TrainingData,
    TrainingPlan,
    Weight,
    plan_training,
)
from ._space import KL, PULL, RANKS, REPLAY, STRONG_DECAY, Choice, PlanSpace

_MLP = ("gate", "up", "gate_up", "down")
_SHARES = (1.0, 0.5)
"""Shares of the user's own steps."""


def plan_space(opened: LanguageModel, config: TrainingConfig, data: TrainingData) -> PlanSpace:
    """Return the protocols that may be tried.

    Cost: that of planning two runs; nothing is trained.

    Args:
        opened: The base.
        config: The user's own.

    Returns:
        The space, without fragile modules.

    Raises:
        ConfigError: The user's own run has no step, or cannot be trained.
    """
    plans = dict(_plans(opened, config, data))
    mlp = mlp_modules(opened.weights)
    choices: dict[str, tuple[Choice, ...]] = {
        "method": tuple(_methods(opened, config, mlp)),
        "steps": tuple(plans),
        "rank": tuple(_first(_own_rank(config), RANKS)),
        "weight_decay": tuple(_first(_own_decay(config), (0.0, STRONG_DECAY))),
        "kl_to_base": (0.0, *KL),
        "replay_share": (0.0, REPLAY),
        "l2_pull": (0.0, PULL),
        "loss_adaptive_rate": (False, True),
        "entropy_gate": (False, True),
    }
    space = PlanSpace(config, plans, choices, mlp)
    kept = {
        lever: tuple(choice for choice in own if _can_be(space, lever, choice))
        for lever, own in choices.items()
    }
    return PlanSpace(
        config, plans, {k: v for k, v in kept.items() if len(v) > 1 or k in _NEEDED}, mlp
    )


_NEEDED = ("method", "rank", "weight_decay")
"""Read by every protocol that they belong to, also where there is nothing to choose."""


def mlp_modules(weights: Sequence[Weight]) -> tuple[str, ...]:
    """Return the modules of all MLPs, as names for PEFT's `target_modules`.

    >>> from driftline.models import Weight
    >>> names = ("up_proj", "down_proj")
    >>> mlp_modules([
    ...     Weight(f"model.layers.0.mlp.{name}.weight", 0, role, 4, True)
    ...     for name, role in zip(names, ("up", "down"))
    ... ])
    ('down_proj', 'up_proj')

    Args:
        weights: Weights of the base.

    Returns:
        Last names of modules; with the name before, where attention has such a one too. None where
        the model is of a family that we do not know.
    """
    inside = [w for w in weights if w.is_matrix and w.layer is not None]
    others = {w.name.split(".")[-2] for w in inside if w.role not in _MLP}
    result = set()
    for weight in inside:
        if weight.role in _MLP:
            *_, before, last, _ = weight.name.split(".")
            result.add(f"{before}.{last}" if last in others else last)
    return tuple(sorted(result))


def _plans(
    opened: LanguageModel, config: TrainingConfig, data: TrainingData
) -> Iterator[tuple[float, TrainingPlan]]:
    own = plan_training(opened, config, data)
    if own.summed_learning_rate(own.num_steps) <= 0:
        raise ConfigError(f"{config.name}: learning_rate: it is 0 throughout, so nothing is learnt")
    for share in _SHARES:
        num_steps = round(share * own.num_steps)
        if num_steps == own.num_steps:
            yield share, own
        elif num_steps > 1:
            shorter = config.without("num_train_epochs").with_values(max_steps=num_steps)
            plan = plan_training(opened, shorter, data)
            if plan.summed_learning_rate(num_steps) > 0:
                yield share, plan


def _methods(opened: LanguageModel, config: TrainingConfig, mlp: Sequence[str]) -> Iterator[str]:
    """Yield the methods, the user's own first; packed weights can only be trained by adapters."""
    can_be_full = opened.packing is None and not opened.is_offloaded
    yield "lora" if config.uses_peft else "full"
    if not config.uses_peft:
        yield "lora"
    elif can_be_full:
        yield "full"
    own = config.values.get("lora_target_modules")
    if mlp and not (isinstance(own, list) and {*own} == {*mlp}):
        yield "lora_mlp"
    if can_be_full:
        yield "osf"


def _can_be(space: PlanSpace, lever: str, choice: Choice) -> bool:
    """Return whether the levers accept such a choice with this config."""
    method = str(choice) if lever == "method" else space.own_method
    if lever == "l2_pull" and "full" in space.choices["method"]:
        method = "full"
    settings = {**space.of_method(method, {}), lever: choice}
    if lever in ("rank", "weight_decay", "steps"):
        return True
    candidate = space.candidate(settings)
    try:
        candidate.levers.check(candidate.config)
    except ConfigError:
        return False
    return True


def _own_rank(config: TrainingConfig) -> int:
    adapter = config.adapter_config()
    return 16 if adapter is None else int(adapter.r)


def _own_decay(config: TrainingConfig) -> float:
    decay = config.values.get("weight_decay", 0.0)
    return float(decay) if isinstance(decay, int | float) else 0.0


def _first(own: Choice, others: Sequence[Choice]) -> Iterator[Choice]:
    """Yield the user's own choice, then the others."""
    yield own
    yield from (other for other in others if other != own)
