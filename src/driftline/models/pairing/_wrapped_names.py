"""Names of weights as wrappers of training leave them: torch.compile, FSDP, checkpointing, DDP, PEFT."""

import re

_INSIDE = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
_INSIDE_PATTERN = re.compile(rf"(?:^|(?<=\.))({'|'.join(_INSIDE)})\.")
_OUTSIDE = re.compile(r"module\.|base_model\.model\.")
"""Prefix of every name under DistributedDataParallel and DeepSpeed, and under PEFT."""


def unwrapped(name: str) -> tuple[str, tuple[str, ...]]:
    """Remove what wrappers added to the name of a weight.

    >>> unwrapped("_orig_mod.model.layers.0._checkpoint_wrapped_module.mlp.up_proj.weight")
    ('model.layers.0.mlp.up_proj.weight', ('_orig_mod.', '_checkpoint_wrapped_module.'))

    Returns:
        The name in the model, and what was removed.
    """
    removed = [f"{part}." for part in _INSIDE_PATTERN.findall(name)]
    name = _INSIDE_PATTERN.sub("", name)
    while outside := _OUTSIDE.match(name):
        removed.append(outside[0])
        name = name[outside.end() :]
    return name, tuple(dict.fromkeys(removed))
