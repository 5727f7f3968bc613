"""The search for a repair: families of scales, each looked at where the last looks point."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...capabilities import Capability
from ...engine import Engine, Table
from ...errors import RunError
from ...models import BASE, Point, TunedModel, scaled_point
from ..comparison import nothing_to_lose
from ..search import (
    Candidate,
    CandidateEvaluation,
    Cell,
    Ruler,
    Tried,
    depths,
    propose_scales,
    required_capabilities,
    segments,
    weight_scales,
)

_GLOBAL = (0.9, 0.8, 0.6, 0.4, 0.2)
_DEPTH_LINES = ((0.0, 1.0), (0.5, 1.0), (0.8, 1.0), (1.0, 0.5), (1.0, 0.0))
"""Scales at the embedding and at the head."""
_NUM_RESET_SEGMENTS = 4
_NUM_GROUP_SEGMENTS = (4, 8)
"""Coarse groups, the same that resets take out, and finer ones: at most 18, whatever the depth."""
_NUM_PROPOSALS = 16
"""For each of the two."""
_MOST_REPEATS = 3
"""Proposals of what was looked at, after which nothing better is expected."""
_SEEDS = 1_000
"""More than one search takes."""
_STRENGTHS = (0.3, 0.6, 1.0)
_WHOLES = (1.0, 0.85)
_DIGITS = 4
"""Digits of a scale, so that it is the same number in every process."""

NUM_LOOKS = 73
"""About as many as a search takes; for planning time only."""


@dataclass
class RepairSearch:
    """Search over candidates, with all evaluations so far."""

    engine: Engine
    tuned: TunedModel
    ruler: Ruler
    cells: tuple[Cell, ...]
    norms: Mapping[str, float]
    """Squared norm of each cell's update."""
    seed: int = 0
    """Random seed of the proposals."""
    lacking: dict[str, str] = field(default_factory=dict)
    """Required capabilities that the base is not shown to have by the items that choose, with the reason."""
    looks: list[CandidateEvaluation] = field(default_factory=list)
    priced: list[tuple[str, tuple[Cell, ...]]] = field(default_factory=list)
    """Parts that give something back when they are taken out alone, the cheapest first."""

    @property
    def best(self) -> CandidateEvaluation:
        """The best look so far, the earliest of several."""
        return min(self.looks, key=lambda look: look.order)

    def point(self, candidate: Candidate) -> Point:
        """Return the point of a candidate; base and tuned model are themselves, so scored once."""
        if set(candidate.scales.values()) == {1.0}:
            return self.tuned.point
        if set(candidate.scales.values()) == {0.0}:
            return BASE
        names = [weight.name for weight in self.engine.opened.weights]
        scales = weight_scales(self.cells, candidate.scales, names)
        return scaled_point(self.tuned, scales, label=f"{candidate.family}: {candidate.label}")

    def look(
        self, family: str, requested: Iterable[tuple[str, Mapping[str, float]]]
    ) -> list[CandidateEvaluation]:
        """Score candidates, all in one evaluation.

        Args:
            requested: Label and the scale of every cell.

        Returns:
            A look at each; one that an earlier family had is taken from the store.
        """
        candidates = [self._candidate(family, label, scales) for label, scales in requested]
        points = [self.point(candidate) for candidate in candidates]
        request: list[Capability] = list(self.ruler.capabilities)
        if self.ruler.target is not None:
            request.append(self.ruler.target)
        table = self.engine.evaluate((BASE, self.ruler.tuned, *points), request)
        if not self.looks:
            self._see_what_the_base_lacks(table)
        result = [
            self.ruler.look(table, point, candidate)
            for point, candidate in zip(points, candidates, strict=True)
        ]
        self.looks.extend(result)
        return result

    def _see_what_the_base_lacks(self, table: Table) -> None:
        deciding = required_capabilities(self.ruler.capabilities, ())
        reasons = {c.name: nothing_to_lose(c, table) for c in deciding}
        self.lacking = {name: reason for name, reason in reasons.items() if reason is not None}
        self.ruler = replace(self.ruler, lacking=frozenset(self.lacking))

    def everywhere(self, scale: float) -> dict[str, float]:
        """Return one scale for every block."""
        return {cell.name: scale for cell in self.cells}

    def _candidate(self, family: str, label: str, scales: Mapping[str, float]) -> Candidate:
        rounded = {name: round(scale, _DIGITS) for name, scale in scales.items()}
        total = sum(self.norms.values())
        kept = sum(rounded[name] ** 2 * norm for name, norm in self.norms.items())
        return Candidate(family, label, rounded, math.sqrt(kept / total))


def search_repair(search: RepairSearch) -> CandidateEvaluation:
    """Search every family in turn; later ones start from the results of earlier ones.

    Cost: at most about `NUM_LOOKS` points, each one pass over the items that choose.

    Args:
        search: With nothing looked at yet.

    Returns:
        The best look; all of them are in `search.looks`.

    Raises:
        RunError: The update moves no matrix.
    """
    if not search.cells or not sum(search.norms.values()):
        raise RunError("the update moves no matrix, so there is nothing to scale")
    search.look("ends", [("tuned", search.everywhere(1.0)), ("base", search.everywhere(0.0))])
    for name, family in FAMILIES.items():
        search.engine.meter.enter(f"searching: {name}")
        family(search)
    return search.best


def _interpolation(search: RepairSearch) -> None:
    """Search one scale for the update (WiSE-FT, Wortsman et al. 2022), finer near the best."""
    scales = {1.0, 0.0, *_GLOBAL}
    search.look("interpolation", _labelled(search, _GLOBAL))
    for _ in range(2):
        best = min(_own(search, "interpolation", "ends"), key=lambda look: look.order)
        at = next(iter(best.candidate.scales.values()))
        near = [
            min((s for s in scales if s > at), default=at),
            max((s for s in scales if s < at), default=at),
        ]
        middles = [round((at + other) / 2, _DIGITS) for other in near if other != at]
        search.look("interpolation", _labelled(search, middles))
        scales.update(middles)


def _labelled(
    search: RepairSearch, scales: Iterable[float]
) -> list[tuple[str, Mapping[str, float]]]:
    return [(f"scale {scale:g}", search.everywhere(scale)) for scale in scales]


def _depth(search: RepairSearch) -> None:
    """Search scales linear in depth (LiNeS, Wang et al. 2024), here with either end the larger."""
    depth = depths(search.cells)

    def line(first: float, last: float) -> tuple[str, Mapping[str, float]]:
        scales = {name: first + (last - first) * at for name, at in depth.items()}
        return f"from {first:g} at the embedding to {last:g} at the head", scales

    search.look("linear in depth", [line(*ends) for ends in _DEPTH_LINES])


def _reset(search: RepairSearch) -> None:
    """Remove parts of the update, in descending order of restored loss per gain lost.

    Each part is taken out alone; then the first one, two, three ... of the order together.
    """
    search.priced = _by_price(search)
    requested = []
    scales = search.everywhere(1.0)
    for num, (name, members) in enumerate(search.priced, start=1):
        scales.update({cell.name: 0.0 for cell in members})
        # The first one alone was looked at already.
        if num > 1:
            requested.append((f"without {num} parts, {name} last", dict(scales)))
    if requested:
        search.look("selective reset", requested)


def _priced(search: RepairSearch) -> None:
    """Scale down every part, the more the less gain it costs for what it gives back.

    The part at rank r of n is scaled by 1 - strength * (1 - r / n): a line by price as LiNeS is
    one by depth. Each strength is tried on the whole update and on 0.85 of it.
    """
    order, requested = search.priced, []
    if not order:
        return
    for strength in _STRENGTHS:
        for whole in _WHOLES:
            scales = search.everywhere(whole)
            for rank, (_, members) in enumerate(order):
                factor = 1 - strength * (1 - rank / len(order))
                scales.update({cell.name: whole * factor for cell in members})
            requested.append((f"strength {strength:g} of {whole:g}", scales))
    search.look("by price", requested)


def _by_price(search: RepairSearch) -> list[tuple[str, tuple[Cell, ...]]]:
    """Remove every part alone, and order those that restore something by their cost."""
    parts = segments(search.cells, _NUM_RESET_SEGMENTS)
    tuned = search.looks[0]
    requested = []
    for name, members in parts.items():
        own = {cell.name: 0.0 for cell in members}
        requested.append((f"without {name}", {**search.everywhere(1.0), **own}))
    looked = search.look("selective reset", requested)
    priced = []
    for (name, members), look in zip(parts.items(), looked, strict=True):
        back, cost = tuned.damage - look.damage, tuned.worth - look.worth
        if back > 0:
            # What costs nothing comes first, by what it gives.
            price = -back if cost <= 0 else cost / back
            priced.append((price, name, members))
    return [(name, members) for _, name, members in sorted(priced, key=lambda each: each[:2])]


def _groups(search: RepairSearch) -> None:
    """Search scales of groups by expected improvement: of coarse groups, then of finer ones."""
    for num_segments in _NUM_GROUP_SEGMENTS:
        groups, repeats = segments(search.cells, num_segments), 0
        for num in range(1, _NUM_PROPOSALS + 1):
            tried = _tried(search.looks, groups)
            seed = search.seed * _SEEDS + num_segments * _NUM_PROPOSALS + num
            proposal = propose_scales(list(groups), tried, seed=seed)
            if any(each.scales == proposal for each in tried):
                repeats += 1
                if repeats == _MOST_REPEATS:
                    break
                continue
            scales = {cell.name: proposal[name] for name in groups for cell in groups[name]}
            search.look("groups", [(f"proposal {num} for {len(groups)} groups", scales)])


def _tried(
    looks: Sequence[CandidateEvaluation], groups: Mapping[str, Sequence[Cell]]
) -> list[Tried]:
    """Return the evaluations with one scale per group, without duplicates, for the process."""
    # As long as none meets all, the excess is to fall; from then on the worth is to rise. The base is
    # within every tolerance, so where no gain must be kept it is worth from the start.
    is_met = any(look.meets_all for look in looks)
    # The process has one length for all of a function, and is wanted near the limits: what is far
    # from them is drawn together, its sign kept.
    usual = statistics.median(abs(look.missed or 0.0) for look in looks) or 1.0
    result: dict[tuple[float, ...], Tried] = {}
    for look in looks:
        sets = [{look.candidate.scales[cell.name] for cell in cells} for cells in groups.values()]
        if all(len(own) == 1 for own in sets):
            scales = dict(zip(groups, (own.pop() for own in sets), strict=True))
            kept = () if look.missed is None else (math.asinh(look.missed / usual),)
            bounds = tuple(math.asinh(loss.bound - 1.0) for loss in look.losses.values())
            tried = (
                Tried(scales, look.merit, (*bounds, *kept))
                if is_met
                else Tried(scales, -math.log1p(look.excess), kept)
            )
            result.setdefault(tuple(scales.values()), tried)
    return list(result.values())


def _own(search: RepairSearch, *families: str) -> list[CandidateEvaluation]:
    return [look for look in search.looks if look.candidate.family in families]


FAMILIES: dict[str, Callable[[RepairSearch], None]] = {
    "interpolation": _interpolation,
    "linear in depth": _depth,
    "selective reset": _reset,
    "by price": _priced,
    "groups": _groups,
}
"""In this order, since the last one learns from all the others."""
