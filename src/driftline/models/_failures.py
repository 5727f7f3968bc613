"""Whose failure an exception is: which module of a model, or whose library, it came from."""

import traceback
from pathlib import Path

import torch

_OWN = Path(__file__).resolve().parents[1]


def failed_module(error: BaseException, model: torch.nn.Module) -> str | None:
    """The module that was running when an exception was raised.

    Args:
        error: The exception, with its traceback.
        model: Where to look the module up.

    Returns:
        The name of the innermost module of the model on the traceback; None where there is none.
    """
    names = {id(module): name for name, module in model.named_modules() if name}
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for key in ("self", "module"):
            found = names.get(id(frame.f_locals.get(key)), found)
    return found
