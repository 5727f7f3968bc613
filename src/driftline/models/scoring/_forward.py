"""One forward pass in its parts: body, layers that need not run again, head.

The body gives hidden states; the head sees only those that are asked for. Both are the model's own
code, whatever the family: for the head, the body is replaced for a moment by what it gave, so that
soft capping and scaling after the head still run.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from ..language_model import LanguageModel
from ._prefix_tree import Row, padded

Mask = Tensor | dict[str, Tensor] | None

_KINDS = {"full_attention", "sliding_attention"}
"""Kinds of layers whose masks are made here."""
_OWN_WINDOWS = ("window_size", "attention_window_size", "attention_chunk_size")
"""Fields of windows that layers count by places and not by positions, whatever mask is given."""


def layers_of(opened: LanguageModel) -> torch.nn.ModuleList:
    """Return the decoder's layers, in order."""
    num_layers = opened.model.config.get_text_config().num_hidden_layers
    for module in opened.model.base_model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == num_layers:
            return module
    raise LookupError(f"{opened.source}: has no list of {num_layers} layers")


def run_body(
    opened: LanguageModel, rows: Sequence[Row], before: DynamicCache | None, *, keep: bool
) -> tuple[ModelOutput, DynamicCache | None]:
    """Compute hidden states after the final norm, for rows that follow the same trunk.

    Args:
        rows: Rows of the batch; a trunk is run alone.
        before: Keys and values of the trunk, of batch size 1.
        keep: Give back keys and values, those of the trunk before included.

    Returns:
        The body's output, whose `last_hidden_state` has shape (rows, longest row, width), and keys
        and values if they are kept.
    """
    width = max(len(row.tokens) for row in rows)
    cache = None
    if before is not None:
        cache = _repeated(before, len(rows))
    elif keep:
        cache = DynamicCache()
    # Padding stands on the right, and attention looks left only: plain rows need no mask.
    where: dict[str, Any] = {}
    if rows[0].is_branched or before is not None:
        where["attention_mask"] = _mask(opened, rows, width)
        where["position_ids"] = _on_device(opened, padded([row.depths() for row in rows], width))
    ids = _on_device(opened, padded([row.tokens for row in rows], width))
    use_cache = cache is not None
    if use_cache:
        where[_cache_keyword(opened.model.base_model)] = cache
    output = opened.model.base_model(input_ids=ids, use_cache=use_cache, **where)
    return output, cache if keep else None


def _cache_keyword(body: torch.nn.Module) -> str:
    """Return a body's name for keys and values: transformers renames the argument from 5.24 on."""
    is_renamed = "cache" in inspect.signature(type(body).forward).parameters
    return "cache" if is_renamed else "past_key_values"


def run_head(opened: LanguageModel, kind: type[ModelOutput], hidden: Tensor) -> Tensor:
    """Compute logits of chosen hidden states, through all that the model does after its body.

    The head runs in the dtype of its own weights whatever autocast says: near 25, where logits lie,
    bfloat16 moves in steps of 0.125, and a margin is a difference of two logits.

    Args:
        kind: Type of the body's output; it differs by family.
        hidden: Hidden states after the final norm, shape (positions, width).

    Returns:
        Logits in float32, shape (positions, vocabulary).
    """
    head = opened.model.get_output_embeddings()
    given = kind(last_hidden_state=hidden[None].to(head.weight.dtype))
    ids = torch.zeros((1, 1), dtype=torch.long, device=opened.device)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.autocast(opened.device.type, enabled=False))
        for body in bodies_of(opened.model):
            stack.enter_context(replaced_forward(body, lambda *_args, **_kwargs: given))
        logits: Tensor = opened.model(input_ids=ids, use_cache=False).logits
    return logits[0].float()


def bodies_of(whole: PreTrainedModel) -> Iterator[torch.nn.Module]:
    """Yield the modules that a model may call as its body: OPT calls the decoder inside it."""
    body = whole.base_model
    yield body
    decoder = whole.get_decoder()
    if decoder is not body and decoder is not whole:
        yield decoder


@contextlib.contextmanager
def starting_at(opened: LanguageModel, layer: int, states: Tensor) -> Iterator[None]:
    """Start passes through the body at a layer, from the given states.

    Args:
        opened: The model; its layers' forward methods are replaced while the block runs.
        layer: The first that runs, at least 1; the number of layers where none does.
        states: The output of the layer before it.

    Yields:
        Nothing.
    """
    layers = layers_of(opened)

    def known(hidden: Tensor, *_args: object, **_kwargs: object) -> Tensor:
        return states.to(hidden.device)

    with contextlib.ExitStack() as stack:
        for skipped in layers[: layer - 1]:
            stack.enter_context(replaced_forward(skipped, _unchanged))
        stack.enter_context(replaced_forward(layers[layer - 1], known))
        yield


@contextlib.contextmanager
def ending_at(opened: LanguageModel, layer: int, keep: Callable[[Tensor], None]) -> Iterator[None]:
    """End passes through the body before a layer, and keep the states that would enter it."""
    layers = layers_of(opened)
    last = layers[layer - 1]
    forward = last.forward

    def kept(*args: object, **kwargs: object) -> Tensor:
        states: Tensor = forward(*args, **kwargs)
        keep(states)
        return states

    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced_forward(last, kept))
        for skipped in layers[layer:]:
            stack.enter_context(replaced_forward(skipped, _unchanged))
        yield


@contextlib.contextmanager
def replaced_forward(module: torch.nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Replace a module's forward while the block runs."""
    # On the instance, over the class's own method or over what a dispatcher put there.
    own = vars(module).get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def _unchanged(hidden: Tensor, *_args: object, **_kwargs: object) -> Tensor:
    return hidden


def _mask(opened: LanguageModel, rows: Sequence[Row], width: int) -> Mask:
    """Build the attention mask (rows, 1, width, trunk + width), by kind of layer if it differs."""
    num_before = rows[0].num_before
    allowed = numpy.zeros((len(rows), width, num_before + width), dtype=bool)
    # Padding sees itself, since attention to nothing at all is not a number.
    allowed[:, range(width), range(num_before, num_before + width)] = True
    positions = numpy.zeros((len(rows), num_before + width), dtype=numpy.int64)
    positions[:, :num_before] = range(num_before)
    for index, row in enumerate(rows):
        num = len(row.tokens)
        allowed[index, :num, :num_before] = True
        allowed[index, :num, num_before : num_before + num] = row.ancestors()
        positions[index, num_before : num_before + num] = row.depths()
    config = opened.model.config.get_text_config()
    _check_attention(config)
    whole = _as_mask(opened, allowed)
    window = getattr(config, "sliding_window", None)
    narrow = whole
    if window is not None:
        distance = positions[:, num_before:, None] - positions[:, None, :]
        narrow = _as_mask(opened, allowed & (distance < window))
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return narrow
    return {kind: narrow if kind == "sliding_attention" else whole for kind in set(kinds)}


def _check_attention(config: PreTrainedConfig) -> None:
    """Refuse what looks less far than we can say: a proof on a few tokens would not notice.

    Raises:
        LookupError: Some layers attend in chunks, or in windows that no mask of ours narrows.
    """
    kinds = set(getattr(config, "layer_types", None) or ()) - _KINDS
    own = [name for name in _OWN_WINDOWS if getattr(config, name, None) is not None]
    if kinds or own:
        raise LookupError(f"its attention is of another kind ({', '.join([*sorted(kinds), *own])})")


def _as_mask(opened: LanguageModel, allowed: numpy.ndarray[Any, Any]) -> Tensor:
    mask = _on_device(opened, allowed)[:, None]
    if opened.model.config._attn_implementation == "sdpa":
        return mask
    # Eager attention adds its mask to the scores.
    lowest = torch.finfo(torch.float32).min
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, lowest)


def _repeated(cache: DynamicCache, num_rows: int) -> DynamicCache:
    """Repeat a trunk's keys and values for each row, in a cache that may grow by itself."""
    copy = DynamicCache()
    for index, layer in enumerate(cache.layers):
        # Layers that a pass skips hold nothing.
        if layer.is_initialized:
            shape = (num_rows, -1, -1, -1)
            copy.update(layer.keys.expand(shape), layer.values.expand(shape), index)
    return copy


def _on_device(opened: LanguageModel, values: numpy.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(values).to(opened.device)
