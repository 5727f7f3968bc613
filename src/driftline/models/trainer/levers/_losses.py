"""Terms of the loss that look at the whole prediction: the entropy gate, and the KL to the base.

TRL's trainer never makes the logits of a whole batch, and neither do we: hidden states of the positions
that are trained on are kept, and go through the model's own head a few hundred at a time.
"""

import contextlib
import math
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from ...scoring import bodies_of, replaced_forward

_CHUNK = 256
"""Positions whose logits exist at a time."""
_GATE_TOKENS = 20
"""The likeliest tokens that the entropy is taken over, as in EAFT."""


class TrainedPass:
    """The trainer's forward pass, called in its model's place, with an eye on the body inside."""

    def __init__(
        self, model: torch.nn.Module, inner: PreTrainedModel, *, entropy_gate: bool
    ) -> None:
        """Prepare to listen."""
        self._model, self._inner, self._entropy_gate = model, inner, entropy_gate
        self._given: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        self._body = ModelOutput()
        self._mask = torch.zeros(0)
        self._hooks = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Register a hook on the body."""
        body = self._inner.base_model
        for handle in (
            body.register_forward_pre_hook(self._take, with_kwargs=True),
            body.register_forward_hook(self._keep),
        ):
            self._hooks.callback(handle.remove)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._hooks.close()

    def __call__(self, **inputs: Any) -> ModelOutput:  # noqa: ANN401 - whatever the model takes
        """Run the model with TRL's fused head; its log-probabilities are weighed."""
        outputs: ModelOutput = self._model(**inputs)
        # The head below calls the body too.
        self._hooks.close()
        self._mask = outputs.label_mask
        if self._entropy_gate:
            with torch.no_grad():
                weights = [
                    entropy_weights(head_logits(self._inner, type(self._body), states))
                    for states in torch.split(self._states_at(self._body), _CHUNK)
                ]
                spread = torch.zeros_like(outputs.log_probs)
                spread[self._mask] = torch.cat(weights).to(spread)
            outputs.log_probs = outputs.log_probs * spread
        return outputs

    def kl_from(self, base: PreTrainedModel) -> tuple[Tensor, int]:
        """Sum of KL(base || trained) in nats over the trained positions, and how many these are.

        Cost: one forward pass of the base, and both heads twice.

        Args:
            base: The base, on the same device.

        Returns:
            The sum, with a gradient, and the number of positions.
        """
        positional, named = self._given
        was_training = base.training
        base.eval()
        try:
            with torch.no_grad():
                output = base.base_model(*positional, **named)
        finally:
            base.train(was_training)
        mine, theirs = self._states_at(self._body), self._states_at(output)
        # Of no position at all the sum is 0, and has a gradient all the same.
        total = mine.sum() * 0.0
        chunks = zip(torch.split(mine, _CHUNK), torch.split(theirs, _CHUNK), strict=True)
        for ours, of_base in chunks:
            # Without checkpoints the logits of all chunks would wait for the backward pass.
            total = total + checkpoint(self._kl_of, ours, base, of_base, use_reentrant=False)
        return total, len(mine)

    def _kl_of(self, states: Tensor, base: PreTrainedModel, of_base: Tensor) -> Tensor:
        kind = type(self._body)
        with torch.no_grad():
            requested = head_logits(base, kind, of_base).log_softmax(-1)
        result = head_logits(self._inner, kind, states).log_softmax(-1)
        return torch.nn.functional.kl_div(result, requested, reduction="sum", log_target=True)

    def _states_at(self, output: ModelOutput) -> Tensor:
        """Return hidden states at the positions whose next token is trained on."""
        hidden: Tensor = output.last_hidden_state
        return hidden[:, : self._mask.shape[1]][self._mask]

    def _take(
        self, _body: torch.nn.Module, positional: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        self._given = (positional, dict(named))

    def _keep(self, _body: torch.nn.Module, _given: object, output: ModelOutput) -> None:
        self._body = output


def head_logits(model: PreTrainedModel, kind: type[ModelOutput], hidden: Tensor) -> Tensor:
    """Compute logits of chosen hidden states, through all after the body, in float32.

    The class's own forward runs, beneath what accelerate and TRL put over it on the instance, so that
    the trained model's head and the base's compute alike, without autocast.

    Args:
        model: The causal language model, adapters inside its layers.
        kind: Type of its body's output.
        hidden: Shape (positions, width).

    Returns:
        Shape (positions, vocabulary).
    """
    head = model.get_output_embeddings()
    given = kind(last_hidden_state=hidden[None].to(head.weight.dtype))
    ids = torch.zeros((1, 1), dtype=torch.long, device=hidden.device)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.autocast(hidden.device.type, enabled=False))
        for body in bodies_of(model):
            stack.enter_context(replaced_forward(body, lambda *_args, **_kwargs: given))
        logits: Tensor = type(model).forward(model, input_ids=ids, use_cache=False).logits
    return logits[0].float()


def entropy_weights(logits: Tensor) -> Tensor:
    """Compute the entropy gate's weight of each prediction: 0 if certain, 1 if uniform.

    The entropy of the 20 likeliest tokens, renormalised, over the logarithm of their number.

    Args:
        logits: Shape (positions, vocabulary).

    Returns:
        Shape (positions,).

    >>> [round(float(weight), 3) for weight in entropy_weights(torch.tensor([[0.0, 0.0], [99.0, 0.0]]))]
    [1.0, 0.0]
    """
    num = min(_GATE_TOKENS, logits.shape[-1])
    log_probs = logits.topk(num, dim=-1).values.log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1) / math.log(num)
