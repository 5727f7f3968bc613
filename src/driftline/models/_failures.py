"""Whose failure an exception is: which module of a model, or whose library, it came from."""

import errno
import traceback

import torch

from ..errors import DriftlineError

_OWN = __name__.partition(".")[0]
_TRAINERS = ("trl", "transformers", "peft", "accelerate", "datasets")
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_LONGEST_MESSAGE = 400


def failed_module(error: BaseException, model: torch.nn.Module) -> str | None:
    """Return the module that was running when an exception was raised.

    Args:
        error: The exception, with its traceback.
        model: Model that contains the module.

    Returns:
        The name of the innermost module of the model on the traceback; None where there is none.
    """
    names = {id(module): name for name, module in model.named_modules() if name}
    result = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for key in ("self", "module"):
            result = names.get(id(frame.f_locals.get(key)), result)
    return result


def is_trainers(error: Exception) -> bool:
    """Tell whether an exception is the trainer's, or that of a library below it.

    Args:
        error: The exception, with its traceback.

    Returns:
        False for Driftline's own errors and faults, and for what the disk says.
    """
    if isinstance(error, DriftlineError) or _is_of_disk(error):
        return False
    # What torch raises is the run's own: out of memory, a shape, a value that no operator takes.
    return isinstance(error, RuntimeError) or _comes_from_trainer(error)


def describe_error(error: BaseException) -> str:
    """Describe an exception in one line.

    Args:
        error: The exception.

    Returns:
        Its type and message, shortened where it is long.
    """
    text = " ".join(str(error).split())
    if len(text) > _LONGEST_MESSAGE:
        text = f"{text[:_LONGEST_MESSAGE]} …"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_of_disk(error: Exception) -> bool:
    """Return whether the disk is full or read-only, which has a message of its own."""
    return isinstance(error, PermissionError) or (
        isinstance(error, OSError) and error.errno in _DISK
    )


def _comes_from_trainer(error: BaseException) -> bool:
    """Return whether the traceback ends in code of a trainer, below all of Driftline's."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package == _OWN or package in _TRAINERS:
            return package != _OWN
    return False
