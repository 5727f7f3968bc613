"""Hidden states and next-token distributions of a few texts, at whatever point the model stands.

Hidden states are handed out layer by layer while the pass runs, so no more than one layer's are
held here at a time.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ..language_model import LanguageModel, ScoringOptions, scoring_mode
from ._forward import layers_of, run_body, run_head
from ._prefix_tree import Row
from ._tokens import PackedRows

States = Float[ndarray, "tokens width"]
LogProbs = Float[ndarray, "positions vocabulary"]

_LOG_PROBS_AT_MOST = 2**24
"""Log-probabilities that are given back: 64 MiB of float32."""


def num_layers(opened: LanguageModel) -> int | None:
    """Count the layers that can be watched; None for a model without a plain list of layers."""
    try:
        return len(layers_of(opened))
    except (LookupError, AttributeError):
        return None


def observe(
    opened: LanguageModel,
    packed: PackedRows,
    options: ScoringOptions,
    *,
    layers: Sequence[int | None],
    on_states: Callable[[States], None],
) -> LogProbs:
    """Run a few texts through the model; pass hidden states to a callback, return predictions.

    The state of a layer is the residual stream that leaves it, before any final norm; that of None
    is what enters the first layer. Leading tokens are left out (`PackedRows.num_leading`).

    Cost: one forward pass of all rows in one batch, whatever `options.batch_tokens` says; the head
    for some positions. Memory above that of the pass: one layer's states in float32, and 64 MiB of
    log-probabilities twice. Where the vocabulary is too large for every position in that, evenly
    spaced ones are taken.

    Args:
        opened: The model; its hooks and modes are as before when this returns or raises.
        packed: The texts.
        options: Numerics.
        layers: Layers whose states are returned, from 0; None is the embedding.
        on_states: Called for each of them, in the order of the model, with the states of all
            tokens that are not left out, row by row, in float32.

    Returns:
        Natural-log probabilities of the next token in float32, at the positions of the states or
        at evenly spaced ones of them.

    Raises:
        LookupError: The architecture has no plain list of layers.
    """

    def take(states: Tensor) -> Tensor:
        return states[:, packed.num_leading :].flatten(0, 1)

    def hand_out(states: Tensor) -> None:
        on_states(take(states).float().cpu().numpy())

    rows = [Row(0, list(tokens), list(range(-1, len(tokens) - 1))) for tokens in packed.rows]
    with scoring_mode(opened, options):
        with _watched(layers_of(opened), set(layers), hand_out):
            output, _ = run_body(opened, rows, None, keep=False)
        hidden = take(output.last_hidden_state)
        requested = _spaced(
            len(hidden), vocabulary=opened.model.get_output_embeddings().weight.shape[0]
        )
        logits = run_head(opened, type(output), hidden[requested.to(hidden.device)])
        log_probs: LogProbs = logits.log_softmax(dim=-1).cpu().numpy()
    return log_probs


def _spaced(num_positions: int, *, vocabulary: int) -> Tensor:
    """Choose evenly spaced positions, as many as may be returned."""
    num = min(num_positions, max(1, _LOG_PROBS_AT_MOST // vocabulary))
    return torch.from_numpy(numpy.linspace(0, num_positions - 1, num).round().astype(numpy.int64))


@contextlib.contextmanager
def _watched(
    modules: torch.nn.ModuleList, layers: set[int | None], hand_out: Callable[[Tensor], None]
) -> Iterator[None]:
    """Pass the states before the first layer and after each to a callback, in the block."""

    def entering(_module: torch.nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        hand_out(args[0] if args else kwargs["hidden_states"])

    def leaving(_module: torch.nn.Module, _args: Any, output: Any) -> None:  # noqa: ANN401
        hand_out(output[0] if isinstance(output, tuple) else output)

    with contextlib.ExitStack() as hooks:
        if None in layers:
            hook = modules[0].register_forward_pre_hook(entering, with_kwargs=True)
            hooks.callback(hook.remove)
        for index, module in enumerate(modules):
            if index in layers:
                hooks.callback(module.register_forward_hook(leaving).remove)
        yield
