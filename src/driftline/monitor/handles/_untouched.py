"""Looking at a model in the middle of training without leaving a trace.

Random states, training flags and weights are what a check could move; all are put back bit for bit,
also where the check raises. Gradients and the optimiser are only read.
"""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ...models import random_states_kept
from ._sharded import local, reshard


@contextlib.contextmanager
def untouched(model: torch.nn.Module) -> Iterator[None]:
    """Set evaluation mode without gradients; restore modes and all random states.

    Accelerate wraps a model's forward pass in its own autocast; in the block the pass is the model's
    own, so that the scorer decides on the dtype. Half precision by the back door would drown
    the small differences that are looked for.

    Args:
        model: The model in training.

    Yields:
        Nothing.
    """
    modes = [(module, module.training) for module in model.modules()]
    own, wrapped = vars(model).get("_original_forward"), model.forward
    with random_states_kept(), torch.no_grad():
        try:
            model.eval()
            if own is not None:
                model.forward = own
            yield
        finally:
            if own is not None:
                model.forward = wrapped
            reshard(model)
            for module, was_training in modes:
                module.training = was_training


@contextlib.contextmanager
def weights_put_back(parameters: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Allow changes of weights in the block; they are restored afterwards, bit for bit.

    Args:
        parameters: Parameters that may move.

    Yields:
        Copies of this process's part of each, as they were; they must not be changed.
    """
    before = {name: local(parameter).clone() for name, parameter in parameters.items()}
    try:
        yield before
    finally:
        put(parameters, lambda name, _now: before[name])


def put(parameters: dict[str, Tensor], value: Callable[[str, Tensor], Tensor]) -> None:
    """Set every parameter to a new value, in place.

    Args:
        value: From the name and this process's part of the parameter, its new content.
    """
    with torch.no_grad():
        for name, parameter in parameters.items():
            held = local(parameter)
            held.copy_(value(name, held))
