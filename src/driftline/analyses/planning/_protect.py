"""Modules that a plan may freeze or slow: the most fragile, by a map along a short probe."""

import math
from typing import NamedTuple

from ...engine import SLOPE_TOKEN, has_slope
from ...errors import RunError
from ...models import Trajectory, gradient_obstacle, parameters_inside
from ..fragility import attempted_map, most_fragile, noise_tokens
from ..probing import Effort, Study
from ._budget import MAP_SHARE, tokens_of_run
from ._journal import PlanStudy
from ._space import PlanSpace
from ._trials import Bench, early_step

PROTECTED_SHARE = 0.25
"""Share of the parameters inside layers."""
_NOTE = "fragile"


class Protection(NamedTuple):
    """The modules that a plan may freeze or slow."""

    modules: tuple[str, ...]
    obstacle: str | None
    """Reason why there are none; None if there are some."""


def fragile_modules(bench: Bench, space: PlanSpace, study: PlanStudy, *, seed: int) -> Protection:
    """Return the most fragile quarter of the modules, along the start of a full fine-tuning.

    Cost: a fifth of the run, and about four forward passes over the items that choose. What an
    earlier process found is taken up.

    Args:
        bench: Nothing is on it yet.
        space: Search space.
        study: Keeps what was found.
        seed: Random seed of the items that the map takes.

    Returns:
        Module names; none, with the reason, where full fine-tuning is not tried, nothing required has
        a gradient, the budget is too small, or the map fails.
    """
    kept = study.note(_NOTE)
    if isinstance(kept, dict):
        result = _Mapped(**kept)
        bench.engine.tokens_used += result.forward
        bench.engine.tokens_backward += result.backward
    else:
        result = _mapped(bench, space, seed=seed)
        study.keep(_NOTE, result._asdict())
    bench.budget.spend(result.trained)
    return Protection(tuple(result.modules), None if result.modules else result.obstacle)


class _Mapped(NamedTuple):
    """Fragile modules, and the tokens that the map took."""

    modules: list[str]
    trained: int = 0
    forward: int = 0
    backward: int = 0
    obstacle: str = "no module stands out"
    """Reason why there is no map, if so."""


def _mapped(bench: Bench, space: PlanSpace, *, seed: int) -> _Mapped:
    engine, ruler = bench.engine, bench.ruler
    capabilities = tuple(c for c in ruler.deciding if has_slope(c))
    if "full" not in space.choices["method"]:
        return _Mapped([], obstacle="full fine-tuning is not possible with this base")
    if not capabilities:
        told = "nothing that is required and that the base is shown to have has a gradient"
        return _Mapped([], obstacle=told)
    obstacle = gradient_obstacle(engine.opened)
    if obstacle is not None:
        return _Mapped([], obstacle=obstacle)
    candidate = space.candidate(space.of_method("full", {}))
    step = early_step(candidate.plan) or candidate.num_steps
    trajectory = Trajectory(
        engine.opened, candidate.config, bench.data, bench.folder, (step,), candidate.plan
    )
    mapped = Study(engine, capabilities, ruler.target, trajectory, Effort(), seed)
    tokens = SLOPE_TOKEN * engine.num_tokens((*capabilities, ruler.target)) + noise_tokens(mapped)
    trained = tokens_of_run(candidate, step)
    if not bench.budget.fits(trained + tokens / 4, share=MAP_SHARE):
        return _Mapped([], obstacle="the budget was too small for the map")
    engine.meter.enter("mapping what is fragile")
    before = engine.tokens_used, engine.tokens_backward
    try:
        trajectory.ensure_trained()
        result = attempted_map(mapped)
    except RunError as error:
        reason = f"the run that the map looks along failed ({error})"
        return _Mapped([], trained=math.ceil(trained), obstacle=reason)
    modules = most_fragile(
        result.rows,
        PROTECTED_SHARE,
        num_parameters=sum(parameters_inside(engine.opened).values()),
        noise=result.noise,
        tolerances={c.name: c.tolerance for c in capabilities},
    )
    kept = _Mapped(
        list(modules),
        trajectory.num_tokens_trained(),
        engine.tokens_used - before[0],
        engine.tokens_backward - before[1],
        **({"obstacle": f"the map failed ({result.failure})"} if result.failure else {}),
    )
    trajectory.discard()
    return kept
