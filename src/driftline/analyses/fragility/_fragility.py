"""The fragility map: how fast each capability falls as one module alone moves on along the update.

The gradient of every item's loss at the end of the probe, times the module's share of the probe's
update: what taking that share back would give, and what more of it would cost, to first order. One
forward and one backward pass give all modules, where taking them back one by one takes as many
evaluations as there are modules (`evidence/fragility` holds the two together). Beside it stands what
each module's movement costs whatever its direction (`_noise_sensitivity`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from ...capabilities import Capability
from ...engine import CapabilitySlopes, SlopeTable, has_slope, measure_slopes
from ...errors import OutputError, RunError
from ...metrics import METRICS
from ...models import ModuleChange, describe_error
from ...results import LayerRegion, ModuleFragility, ModuleNoise
from ...stats import mean_interval
from ..probing import CONFIDENCE_LEVEL, Study
from ._noise_sensitivity import noise_sensitivities
from ._regions import layer_regions


@dataclass(frozen=True)
class FragilityMap:
    """Fragility of modules, and modules that could not be mapped."""

    rows: tuple[ModuleFragility, ...]
    """One a module and capability, capability by capability, in the model's order."""
    target: tuple[ModuleFragility, ...]
    """The same for the run's own task; negative where a module's update serves it."""
    regions: tuple[LayerRegion, ...]
    unread: tuple[ModuleChange, ...]
    """Modules that move and could not be measured."""
    noise: tuple[ModuleNoise, ...] = ()
    noise_obstacle: str | None = None
    """Reason why there is no noise sensitivity."""
    failure: str | None = None
    """Reason why there is no map."""

    def failure_caveats(self) -> tuple[str, ...]:
        """Return the caveat that comes first if the map failed; else empty."""
        if self.failure is None:
            return ()
        return (f"The map failed, so the report has none: {self.failure}",)

    def caveats(self) -> tuple[str, ...]:
        """Return the caveats of this map beyond those of every map."""
        result = []
        unread = [module for module in self.unread if module.base_norm > 0]
        if unread:
            result.append(
                f"{len(unread)} modules move and could not be mapped, such as {unread[0].name}."
            )
        from_zero = [module for module in self.unread if module.base_norm == 0]
        if from_zero:
            result.append(
                f"{len(from_zero)} modules are zero in the base, so no movement is relative to them and "
                f"they are not mapped, such as {from_zero[0].name}."
            )
        if self.noise_obstacle is not None:
            result.append(
                f"What modules cost by moving at all is not known: {self.noise_obstacle}."
            )
        return tuple(result)


def attempted_map(study: Study, *, must_succeed: bool = False) -> FragilityMap:
    """Measure the map; a failure costs the map and nothing else.

    Args:
        study: The planned run.
        must_succeed: Raise where the map fails, because nothing else was asked for.

    Returns:
        The map, or an empty one with its `failure`.

    Raises:
        RunError: The map failed, and it had to succeed.
        OSError: The disk failed.
        OutputError: The disk is full.
    """
    try:
        return fragility_map(study)
    except (OSError, OutputError):
        raise
    except Exception as error:
        text = str(error) if isinstance(error, RunError) else describe_error(error)
        if must_succeed:
            raise RunError(f"the map failed: {text}") from error
        return FragilityMap((), (), (), (), failure=text)


def map_capabilities(study: Study) -> tuple[Capability, ...]:
    """Return the mapped capabilities: samples of those with a gradient, and of the target."""
    sampled = study.sampled(study.effort.num_map_items)
    target = study.target.sample(study.effort.num_map_items, seed=study.seed)
    return (*(c for c in sampled if has_slope(c)), target)


def fragility_map(study: Study) -> FragilityMap:
    """Measure every module that the probe moves.

    Cost: about four forward passes over the items, and what the noise takes.

    Args:
        study: The planned run.

    Returns:
        The map.
    """
    table = measure_slopes(
        study.engine,
        study.update,
        map_capabilities(study),
        nodes=((1.0, 1.0),),
        max_hidden_rows=study.effort.num_hidden_rows,
        seed=study.seed,
    )
    *capabilities, target = table.rows
    noise, obstacle = noise_sensitivities(study, table.modules)
    return FragilityMap(
        rows=tuple(row for each in capabilities for row in module_rows(table, each)),
        target=module_rows(table, target),
        regions=layer_regions(capabilities, target),
        unread=table.unread,
        noise=noise,
        noise_obstacle=obstacle,
    )


def module_rows(table: SlopeTable, result: CapabilitySlopes) -> tuple[ModuleFragility, ...]:
    """Return the rows of one capability.

    Args:
        table: Movement of each module.
        result: The capability's slopes.

    Returns:
        One a module, in the model's order; ties are ranked in that order.
    """
    capability, rows = result.capability, []
    order = numpy.argsort(-_sensitivities(table.modules, result), kind="stable")
    ranks = {int(number): rank for rank, number in enumerate(order, start=1)}
    of_other = capability.measure.gradient_of
    margin = " of margin" if of_other else ""
    unit = METRICS[of_other].unit if of_other else capability.unit
    for number, module in enumerate(table.modules):
        interval = mean_interval(
            result.slopes[:, number] / module.relative_norm,
            groups=capability.groups(),
            confidence_level=CONFIDENCE_LEVEL,
        )
        rows.append(
            ModuleFragility(
                module=module.name,
                layer=module.layer,
                role=module.role,
                capability=capability.name,
                sensitivity=interval.value,
                unit=f"{unit}{margin} per unit of relative update",
                low=interval.low,
                high=interval.high,
                rank=ranks[number],
                relative_norm=module.relative_norm,
                num_parameters=module.num_parameters,
            )
        )
    return tuple(rows)


def _sensitivities(modules: Sequence[ModuleChange], result: CapabilitySlopes) -> numpy.ndarray:
    norms = numpy.array([module.relative_norm for module in modules])
    values: numpy.ndarray = result.slopes.mean(axis=0) / norms
    return values
