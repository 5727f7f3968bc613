"""Choice of modules to protect: the most damage avoided for the parameters given up."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...errors import RunError
from ...results import ModuleFragility, ModuleNoise


class _Candidate(NamedTuple):
    module: str
    num_parameters: int
    damage: float


def most_fragile(
    rows: Sequence[ModuleFragility],
    share_of_parameters: float,
    *,
    num_parameters: int | None = None,
    noise: Sequence[ModuleNoise] = (),
    tolerances: Mapping[str, float] | None = None,
) -> tuple[str, ...]:
    """Choose the modules whose protection avoids most damage, within a share of the parameters.

    A module does damage in two ways, and its damage is the sum of its shares of both:

    - its update pushes capabilities down: `sensitivity * relative_norm`, summed over the capabilities
      of the rows that fall over all modules together (what helps one does not make up for another);
    - it moves at all: an optimiser that normalises its steps moves every weight about as far, needed
      or not. The expected divergence of the predictions under random movement says what that costs.

    Modules with the most damage per parameter are taken until the share is full, which is within one
    module of the optimum. `evidence/protection` has what freezing them does.

    Args:
        rows: Rows of one capability or several; modules inside layers are candidates, the embedding, the
            head and the last norm are not.
        share_of_parameters: Above 0 and at most 1.
        num_parameters: Total for the share: all parameters inside layers, those of modules that
            could not be mapped included. None: the parameters of the candidates.
        noise: Noise of the same modules; without it only the first kind of damage counts.
        tolerances: Capability to its tolerance; losses are counted in tolerances then. Without it
            they are added up as they are, which needs one unit.

    Returns:
        Module names, in the order of the rows; fewer than the share holds where no more do damage.

    Raises:
        RunError: The share is out of range, or a row lacks its size.
    """
    if not 0 < share_of_parameters <= 1:
        raise RunError(f"share_of_parameters {share_of_parameters} is not above 0 and at most 1")
    candidates = _candidates(rows, noise, tolerances)
    if num_parameters is None:
        num_parameters = sum(c.num_parameters for c in candidates)
    chosen, left = set(), share_of_parameters * num_parameters
    for c in sorted(candidates, key=lambda c: -c.damage / c.num_parameters):
        # Where nothing does damage there is nothing to protect.
        if c.damage > 0 and c.num_parameters <= left:
            chosen.add(c.module)
            left -= c.num_parameters
    return tuple(c.module for c in candidates if c.module in chosen)


def _candidates(
    rows: Sequence[ModuleFragility],
    noise: Sequence[ModuleNoise],
    tolerances: Mapping[str, float] | None,
) -> list[_Candidate]:
    inside = [row for row in rows if row.layer is not None]
    by_capability: dict[str, dict[str, float]] = defaultdict(dict)
    for row in inside:
        scale = 1.0 if tolerances is None else tolerances[row.capability]
        by_capability[row.capability][row.module] = _loss(row) / scale
    pushed = dict.fromkeys((row.module for row in inside), 0.0)
    for losses in by_capability.values():
        if sum(losses.values()) > 0:
            for module, loss in losses.items():
                pushed[module] += loss
    moved = {each.module: each.expected_kl_nats for each in noise if each.module in pushed}
    sizes = {row.module: row.num_parameters or 0 for row in inside}
    shares = (_shares(pushed), _shares(moved))
    return [_Candidate(m, sizes[m], sum(share.get(m, 0.0) for share in shares)) for m in pushed]


def _shares(values: Mapping[str, float]) -> dict[str, float]:
    total = sum(map(abs, values.values()))
    return {module: value / total for module, value in values.items()} if total else {}


def _loss(row: ModuleFragility) -> float:
    if row.loss is None or row.num_parameters is None:
        raise RunError(
            f"{row.module}: the map does not say how far it moved or how large it is; make the map "
            "anew with this version"
        )
    return row.loss
