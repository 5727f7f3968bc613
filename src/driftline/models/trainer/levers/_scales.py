"""A scale for each weight, said by the fewest modules: from a search to the levers of a protocol."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property


def compress_scales(
    scales: Mapping[str, float],
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Return the levers that give each weight its scale.

    Args:
        scales: Name of the base's weight to scale. A weight that is left out may get any scale.

    Returns:
        `interpolation`, which is the scale above 0 that most weights have, and in addition the fewest
        `interpolated_modules`, sorted. A module of one scale is named itself, not its parts.

    Raises:
        ValueError: All scales are 0, or no module tells two weights of different scales apart.

    >>> compress_scales({"a.q.weight": 0.5, "a.k.weight": 0.5, "b.weight": 1.0, "c.weight": 1.0})
    (1.0, (('a', 0.5),))
    """
    counts = Counter(scale for scale in scales.values() if scale > 0)
    if not counts:
        raise ValueError("no scale is above 0, so nothing of the update would be left")
    interpolation = max(counts, key=lambda scale: (counts[scale], scale))
    root = _tree(scales)
    # The model itself has no name, so its own weights can only have what all others have.
    if root.own not in (None, interpolation):
        raise ValueError(f"a weight outside all modules has the scale {root.own}")
    named = [pair for child in root.children.values() for pair in child.named(interpolation)]
    return interpolation, tuple(sorted(named))


@dataclass
class _Module:
    """A module, the scale of the weights directly on it, and the modules in it."""

    name: str
    own: float | None = None
    children: dict[str, "_Module"] = field(default_factory=dict)

    @cached_property
    def scales(self) -> frozenset[float]:
        """All that occur in it."""
        own = () if self.own is None else (self.own,)
        return frozenset(own).union(*(child.scales for child in self.children.values()))

    @cached_property
    def votes(self) -> Counter[float]:
        """Scale to how many children name the fewest modules where this module has it."""
        return Counter(scale for child in self.children.values() for scale in child.fitting)

    @cached_property
    def fitting(self) -> frozenset[float]:
        """The scales with which it and its parts name the fewest modules.

        With any other it takes one more: either this module is named, or one more of its children.
        """
        if self.own is not None:
            return frozenset({self.own})
        most = max(self.votes.values())
        return frozenset(scale for scale, count in self.votes.items() if count == most)

    def named(self, outer: float) -> Iterator[tuple[str, float]]:
        """Yield the modules to be named, given the scale of the module around this one."""
        scale = outer
        if outer not in self.fitting:
            # As few either way: parts that differ are named, and what is of one scale as a whole.
            is_parted = self.own is None and len(self.scales) > 1
            if not is_parted or self.votes[outer] < max(self.votes.values()) - 1:
                scale = max(self.fitting)
                yield self.name, scale
        for child in self.children.values():
            yield from child.named(scale)


def _tree(scales: Mapping[str, float]) -> _Module:
    root = _Module("")
    for weight, scale in scales.items():
        *path, _ = weight.split(".")
        module = root
        for depth, key in enumerate(path, start=1):
            module = module.children.setdefault(key, _Module(".".join(path[:depth])))
        if module.own not in (None, scale):
            raise ValueError(
                f"{weight}: has the scale {scale} and another weight of its module {module.own}"
            )
        module.own = scale
    return root
