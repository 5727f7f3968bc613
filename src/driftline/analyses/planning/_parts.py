"""The parts of the chosen update, scaled apart after training: no training, only looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...engine import Engine
from ...errors import RunError
from ...models import HeldDirection, change_norms, compress_scales
from ..search import Tried, list_cells, propose_scales, segments
from ._protocol_looks import PartScales, ProtocolEvaluation, best_of
from ._trials import Bench, Trial, scales_of

MOST_LOOKS = 32
"""However much the budget holds: more hardly find better scales, and choose by chance."""
_NUM_SEGMENTS = 3
"""Number of segments of the depth, attention and MLP separately."""
_MOST_REPEATS = 3
"""Proposals that were looked at already, after which nothing better is expected."""

_BROKEN = 10.0
"""Tolerances beyond every tolerance."""

Scales = Mapping[str, float]
"""Part to scale."""


def scale_parts(
    bench: Bench, trial: Trial, best: ProtocolEvaluation, *, seed: int
) -> ProtocolEvaluation:
    """Scale attention and MLP of each third of the depth, embedding and head apart.

    From the best look at the whole update: first each part alone at half of its scale, then what a
    Gaussian process over all looks proposes.

    Cost: up to 32 looks, as many as the rest of the budget holds.

    Args:
        bench: With the trial on it.
        trial: Trial that made the update.
        best: Best evaluation of the trial; it meets the constraint.
        seed: Random seed of the proposals.

    Returns:
        The best look: the one given where none is better.
    """
    if best.excess > 0 or len(scales_of(trial.candidate)) == 1:
        return best
    update = bench.update(trial)
    weights = _parts(bench.engine, update)
    if len(weights) < 2:
        return best
    search = _PartSearch(bench, trial, update, weights, best.scale)
    search.look_one_by_one()
    search.look_where_promised(seed)
    return best_of((best, *trial.looks))


@dataclass
class _PartSearch:
    """Search over scales of the parts of one update."""

    bench: Bench
    trial: Trial
    update: HeldDirection
    weights: Mapping[str, Sequence[str]]
    """Part to the weights in it."""
    start: float
    """The best scale of the whole."""
    num_looks: int = 0
    tried: list[Tried] = field(init=False)

    def __post_init__(self) -> None:
        """Start with the evaluations of the whole update."""
        whole = (look for look in self.trial.looks if look.parts is None)
        self.tried = [_tried(look, dict.fromkeys(self.parts, look.scale)) for look in whole]

    @property
    def parts(self) -> tuple[str, ...]:
        """Their names, from the embedding up."""
        return tuple(self.weights)

    @property
    def may_look(self) -> bool:
        """True if one more evaluation is allowed."""
        fits = self.bench.budget.fits(self.bench.scored_tokens(1))
        return fits and self.num_looks < MOST_LOOKS

    def look_one_by_one(self) -> None:
        """Evaluate each part alone at half of its scale."""
        for part in self.parts:
            if self.may_look:
                self._look({**dict.fromkeys(self.parts, self.start), part: self.start / 2})

    def look_where_promised(self, seed: int) -> None:
        """Evaluate the proposals of the Gaussian process, until it repeats itself."""
        num_repeats = 0
        while self.may_look and num_repeats < _MOST_REPEATS:
            scales = propose_scales(self.parts, self.tried, seed=seed + num_repeats)
            if not any(scales.values()) or any(scales == each.scales for each in self.tried):
                num_repeats += 1
            else:
                self._look(scales)

    def _look(self, scales: Scales) -> None:
        by_weight = {name: scales[part] for part in self.parts for name in self.weights[part]}
        interpolation, modules = compress_scales(by_weight)
        parts = PartScales(scales, modules)
        self.num_looks += 1
        try:
            look = self.bench.look_at_parts(self.trial, self.update, interpolation, parts)
        except RunError:
            # Scores that are not finite: as bad as can be, and no reason to lose the plan.
            num = len(self.trial.looks[0].losses)
            self.tried.append(Tried(scales, 0.0, (_BROKEN,) * num))
        else:
            self.tried.append(_tried(look, scales))


def _tried(look: ProtocolEvaluation, scales: Scales) -> Tried:
    return Tried(scales, look.merit, tuple(loss.bound - 1 for loss in look.losses.values()))


def _parts(engine: Engine, update: HeldDirection) -> dict[str, list[str]]:
    """Map each part to its weights. Weights outside all parts get one scale, as in training."""
    moved = change_norms(engine.opened, update)
    cells = list_cells(engine.opened.weights, {n for n, norm in moved.items() if norm.change > 0})
    return {
        part: [name for cell in members for name in cell.weights]
        for part, members in segments(cells, _NUM_SEGMENTS).items()
    }
