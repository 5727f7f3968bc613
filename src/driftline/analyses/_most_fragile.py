"""Which modules to protect: the most loss avoided for the parameters, and the target, given up."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import RunError
from ..results import ModuleFragility

_MAX_ROUNDS = 32


class _Candidate(NamedTuple):
    module: str
    num_parameters: int
    loss: float
    gain: float


def most_fragile(
    rows: Sequence[ModuleFragility],
    share_of_parameters: float,
    *,
    tolerances: Mapping[str, float] | None = None,
    target: Sequence[ModuleFragility] = (),
) -> tuple[str, ...]:
    """The modules whose protection saves most, within a share of the parameters.

    A module's loss is what the update of it alone accounts for, `sensitivity * relative_norm`,
    summed over the capabilities of the rows. Without `target`, the modules with the most loss per
    parameter are taken. With it, what is made least is the loss that remains per target gain that
    remains, (L - L_S) / (G - G_S): whoever trains on until the target is where it would have been
    pays that ratio. It is found by Dinkelbach's iteration (1967), each round taking the modules
    with the most loss - ratio * gain per parameter.

    Both fill the budget greedily, in that order, so they are within one module of the optimum of
    the relaxed problem.

    Args:
        rows: Of one capability or several; modules inside layers are candidates, the embedding, the
            head and the last norm are not.
        share_of_parameters: Of all candidates' parameters, above 0 and at most 1.
        tolerances: Capability to its tolerance; losses are counted in tolerances then. Without it
            they are added up as they are, which needs one unit.
        target: Rows of the run's own task; its gain is minus its loss.

    Returns:
        Module names, in the order of the rows.

    Raises:
        RunError: The share is out of range, or a row lacks its size.
    """
    if not 0 < share_of_parameters <= 1:
        raise RunError(f"share_of_parameters {share_of_parameters} is not above 0 and at most 1")
    candidates = _candidates(rows, tolerances, target)
    budget = share_of_parameters * sum(c.num_parameters for c in candidates)
    loss, gain = sum(c.loss for c in candidates), sum(c.gain for c in candidates)
    ratio = max(0.0, loss / gain) if gain > 0 else 0.0
    chosen = _fill(candidates, budget, ratio)
    for _ in range(_MAX_ROUNDS if gain > 0 else 0):
        gain_left = sum(c.gain for c in candidates if c.module not in chosen)
        loss_left = sum(c.loss for c in candidates if c.module not in chosen)
        if gain_left <= 0 or (better := max(0.0, loss_left / gain_left)) >= ratio:
            break
        ratio, chosen = better, _fill(candidates, budget, better)
    return tuple(c.module for c in candidates if c.module in chosen)


def _candidates(
    rows: Sequence[ModuleFragility],
    tolerances: Mapping[str, float] | None,
    target: Sequence[ModuleFragility],
) -> list[_Candidate]:
    gains = {row.module: -_loss(row) for row in target}
    losses: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for row in rows:
        if row.layer is None:
            continue
        scale = 1.0 if tolerances is None else tolerances[row.capability]
        losses[row.module] = losses.get(row.module, 0.0) + _loss(row) / scale
        assert row.num_parameters is not None
        sizes[row.module] = row.num_parameters
    return [_Candidate(m, sizes[m], loss, gains.get(m, 0.0)) for m, loss in losses.items()]


def _loss(row: ModuleFragility) -> float:
    if row.loss is None or row.num_parameters is None:
        raise RunError(
            f"{row.module}: the map does not say how far it moved or how large it is; make the map "
            "anew with this version"
        )
    return row.loss


def _fill(candidates: Sequence[_Candidate], budget: float, ratio: float) -> frozenset[str]:
    chosen, left = set(), budget
    for c in sorted(candidates, key=lambda c: -(c.loss - ratio * c.gain) / c.num_parameters):
        if c.num_parameters <= left:
            chosen.add(c.module)
            left -= c.num_parameters
    return frozenset(chosen)
