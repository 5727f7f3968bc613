"""Wording for a map: labels of modules, their ranks, and those to protect."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..documents import Assessment, ModuleFragility
from ._readings import clean, percent


@dataclass(frozen=True)
class ModuleRank:
    """Fragility rank of a module over the capabilities of the map that the base has."""

    module: str
    label: str
    mean_rank: float
    """Mean over capabilities of the module's rank; 1 is the most fragile that there can be."""
    first_for: tuple[str, ...]
    """The capabilities for which no module is more fragile."""


def module_columns(fragility: Iterable[ModuleFragility]) -> dict[str, str]:
    """Return each module's name within its layer, or outside the layers.

    Args:
        fragility: Rows of a map.

    Returns:
        Module name to its role where one module alone has that role in its layer (`q`), otherwise
        to the last part of its own name (`input_layernorm`).
    """
    modules = {f.module: f for f in fragility}
    counts = Counter((f.layer, f.role) for f in modules.values())
    shared = {role for (_, role), count in counts.items() if count > 1}
    return {
        f.module: clean(f.module.rpartition(".")[2] if f.role in shared else f.role)
        for f in modules.values()
    }


def protected_by_role(assessment: Assessment) -> str | None:
    """Count the modules to protect by role: `30 of 30 v, 23 of 30 o`; None if there are none.

    Args:
        assessment: With a map and its `protect`.

    Returns:
        Roles with most of their modules taken first.
    """
    roles = {f.module: clean(f.role) for f in assessment.fragility if f.layer is not None}
    total = Counter(roles.values())
    taken = Counter(roles[module] for module in assessment.protect if module in roles)
    if not taken:
        return None
    order = sorted(taken, key=lambda role: (-taken[role] / total[role], role))
    return ", ".join(f"{taken[role]} of {total[role]} {role}" for role in order)


def protected_share(assessment: Assessment) -> str:
    """Say which share the modules to protect hold, and which share has no map.

    Args:
        assessment: With a map and its `protect`.

    Returns:
        Such as `24 % of the parameters inside layers`; of a document that does not say the share, what
        it is at most.
    """
    share = assessment.protect_share
    if share is None:
        return "up to a quarter of the parameters inside layers that could be mapped"
    text = f"{percent(share)} of the parameters inside layers"
    if not assessment.unmapped_share:
        return text
    text += f"; {percent(assessment.unmapped_share)} move and could not be mapped"
    has_experts = any(f.role == "experts" for f in assessment.fragility)
    if not has_experts and any(".experts" in module for module in assessment.unmapped):
        text += ", no expert was looked at"
    return text


def module_labels(fragility: Iterable[ModuleFragility]) -> dict[str, str]:
    """Return a label for each module, in the order of the forward pass as far as names tell it.

    Args:
        fragility: Rows of a map.

    Returns:
        Module name to label: `layer 3` for a whole layer, `layer 3 q` for a part of one, the role
        beside the layers (`embedding`); the module's own name where that would not tell modules
        apart. Embeddings come first, then layers by number, then the rest.
    """
    modules = {f.module: f for f in fragility}
    columns = module_columns(modules.values())

    def place(item: tuple[int, ModuleFragility]) -> tuple[int, int, int]:
        order, f = item
        if f.layer is not None:
            return 1, f.layer, order
        return 0 if "embed" in f"{f.role} {f.module}" else 2, 0, order

    def label(f: ModuleFragility) -> str:
        if f.layer is None:
            return columns[f.module]
        return f"layer {f.layer}" + ("" if f.role == "layer" else f" {columns[f.module]}")

    labels = {f.module: label(f) for _, f in sorted(enumerate(modules.values()), key=place)}
    counts = Counter(labels.values())
    return {m: text if counts[text] == 1 else clean(m) for m, text in labels.items()}


def module_ranks(assessment: Assessment) -> tuple[ModuleRank, ...]:
    """Return the mapped modules, the most fragile over the capabilities that the base has first.

    Returns:
        Ranks; none where the base is not shown to have any mapped capability.
    """
    ranks: dict[str, list[ModuleFragility]] = {}
    for f in assessment.fragility:
        if f.capability not in assessment.not_shown:
            ranks.setdefault(f.module, []).append(f)
    labels = module_labels(assessment.fragility)
    result = [
        ModuleRank(
            module,
            labels[module],
            math.fsum(f.rank for f in rows) / len(rows),
            tuple(f.capability for f in rows if f.rank == 1),
        )
        for module, rows in ranks.items()
    ]
    places = list(labels)
    return tuple(sorted(result, key=lambda r: (r.mean_rank, places.index(r.module))))
