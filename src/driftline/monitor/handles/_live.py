"""Scoring capabilities on a model that is being trained, in whatever form the trainer holds it."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ...capabilities import Capability, Likelihood, score_likelihoods
from ...engine import CapabilityScorer
from ...errors import ConfigError, RunError
from ...metrics import MetricName
from ...models import (
    LanguageModel,
    Scorer,
    ScoringOptions,
    SequenceScore,
    TokenSequence,
    rounded_products,
)
from ._sharded import agreed, is_sharded, reshard, trained_parameters
from ._untouched import untouched, weights_put_back

ItemValues = dict[str, dict[MetricName, Float[ndarray, " items"]]]
"""Capability to metric to one value an item."""

_BATCH_TOKENS = 2048
"""Tokens of one pass of a sharded model, padding included."""


@dataclass(frozen=True)
class LiveModel:
    """A model in training, with what is needed to score it."""

    trained: torch.nn.Module
    """As the trainer holds it: with its adapter, or sharded."""
    opened: LanguageModel
    """The causal language model itself, adapters inside its layers."""
    options: ScoringOptions
    scale: Callable[[], None] | None = None
    """Makes of the trained weights, in place, what will come out of the run; None where they are it."""

    @classmethod
    def of(
        cls,
        model: torch.nn.Module,
        tokenizer: object,
        *,
        bfloat16: bool,
        source: str,
        scale: Callable[[], None] | None = None,
    ) -> "LiveModel":
        """Wrap the trainer's model for scoring.

        Args:
            model: From the trainer's callback.
            tokenizer: From the trainer's callback; a processor is not supported.
            bfloat16: Score under autocast, as the trainer trains.
            scale: Makes of the trained weights what will come out.

        Raises:
            ConfigError: It is no causal language model of transformers or PEFT, its adapter adds
                virtual tokens, or there is no tokenizer.
        """
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            raise ConfigError(
                "monitor: the trainer has no tokenizer, so no item can be scored; give it one with "
                "processing_class=tokenizer"
            )
        inner = model
        if isinstance(model, PeftModel):
            if model.active_peft_config.is_prompt_learning:
                raise ConfigError(
                    "monitor: the adapter adds virtual tokens, which is not supported; take LoRA"
                )
            inner = model.get_base_model()
        if not isinstance(inner, PreTrainedModel):
            raise ConfigError(
                f"monitor: {type(inner).__name__} is no model of transformers; the monitor takes "
                "causal language models, with or without a PEFT adapter"
            )
        # No digest: these weights change with every step.
        opened = LanguageModel(inner, tokenizer, source, None, "")
        return cls(model, opened, ScoringOptions(bfloat16=bfloat16), scale)

    def num_tokens(self, capabilities: Sequence[Capability]) -> int:
        """Count the tokens that one scoring of capabilities puts through the model."""
        scorer = CapabilityScorer(self.opened, self.options)
        return sum(scorer.num_tokens(capability) for capability in capabilities)

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Move to the weights of a run that ended now, in evaluation mode; all is restored.

        Cost: where the update is scaled after training, a copy of the trained weights.

        Yields:
            Nothing.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(untouched(self.trained))
            if self.scale is not None:
                stack.enter_context(weights_put_back(trained_parameters(self.trained)))
                self.scale()
            yield


class CapabilityWatch:
    """Per-item losses of all capabilities, wherever the model stands."""

    def __init__(self, live: LiveModel, capabilities: Sequence[Capability]) -> None:
        """Tokenise items, and check that this model can score them."""
        for capability in capabilities:
            if capability.scorer == "generate":
                raise ConfigError(
                    f"monitor: capability {capability.name}: scorer generate would write answers at "
                    "every check; take another scorer, or leave it out"
                )
        self.capabilities = tuple(capabilities)
        self._live = live
        encoder = CapabilityScorer(live.opened, live.options)
        self._encoded = [encoder.encode(capability) for capability in capabilities]
        self._sequences = [s for encoded in self._encoded for s in encoded.sequences]
        self._scorer: Scorer | None = None
        if not is_sharded(live.trained):
            with untouched(live.trained):
                self._scorer = Scorer(live.opened, live.options)

    @property
    def num_tokens(self) -> int:
        """Tokens that one scoring of everything puts through the model."""
        if self._scorer is not None:
            return self._scorer.num_tokens(self._sequences)
        return sum(len(sequence.tokens) for sequence in self._sequences)

    def losses(self) -> dict[str, Float[ndarray, " items"]]:
        """Score every item at the current weights, signed so that more is worse.

        Cost: one forward pass over all items. Nothing of the model is changed.

        Returns:
            Capability to losses, in its own unit; the first process's numbers in every process.

        Raises:
            RunError: The model gives a log-probability that is not finite.
        """
        return self.as_losses(self.values())

    def as_losses(self, values: ItemValues) -> dict[str, Float[ndarray, " items"]]:
        """Return each capability's own metric of some values, signed so that more is worse.

        Args:
            values: Values from `values`.

        Returns:
            Capability to losses, in its own unit.
        """
        signs = {c.name: c.loss(1.0) for c in self.capabilities}
        return {c.name: signs[c.name] * values[c.name][c.metric] for c in self.capabilities}

    def values(self) -> ItemValues:
        """Compute every metric of every item where the model stands.

        Cost: one forward pass over all items. Nothing of the model is changed.

        Returns:
            Capability to metric to values; the first process's numbers in every process.

        Raises:
            RunError: The model gives a log-probability that is not finite.
        """
        with self._live.at_rest():
            scores = self._scores()
        result: ItemValues = {}
        at = 0
        for capability, encoded in zip(self.capabilities, self._encoded, strict=True):
            own = scores[at : at + len(encoded.sequences)]
            at += len(encoded.sequences)
            likelihoods = [
                Likelihood(score.log_likelihood, score.num_tokens, num_bytes)
                for score, num_bytes in zip(own, encoded.num_bytes, strict=True)
            ]
            values = [
                score_likelihoods(item, likelihoods[a:b], normalization=capability.normalization)
                for item, (a, b) in zip(capability.items, encoded.spans, strict=True)
            ]
            result[capability.name] = {
                metric: numpy.array([value[metric] for value in values]) for metric in values[0]
            }
        return result

    def _scores(self) -> list[SequenceScore]:
        if self._scorer is not None:
            scored = self._scorer.score(self._sequences)
        else:
            scored = whole_scores(self._live.trained, self._sequences, self._live.options)
        numbers = agreed([score.log_likelihood for score in scored])
        return [
            SequenceScore(number, score.num_tokens)
            for number, score in zip(numbers, scored, strict=True)
        ]


def score_items(
    model: torch.nn.Module, tokenizer: object, capability: Capability, *, bfloat16: bool
) -> list[dict[str, float]]:
    """Score a capability on a model that is in memory, which is left as it was.

    Args:
        model: The model, in whatever form a trainer holds it.
        tokenizer: Its tokenizer.
        capability: With its items.
        bfloat16: Score under autocast.

    Returns:
        Every metric of each item, in the capability's order.
    """
    live = LiveModel.of(model, tokenizer, bfloat16=bfloat16, source=type(model).__name__)
    result = CapabilityWatch(live, (capability,)).values()[capability.name]
    return [
        {metric: float(values[n]) for metric, values in result.items()}
        for n in range(len(capability.items))
    ]


def whole_scores(
    model: torch.nn.Module, sequences: Sequence[TokenSequence], options: ScoringOptions
) -> list[SequenceScore]:
    """Score by the model's own forward pass, the only way for a sharded model.

    Every process makes the same passes in the same order, so none waits for another.

    Args:
        model: The model, in evaluation mode.
        options: Numerics.

    Returns:
        One score a sequence, in order.

    Raises:
        RunError: A log-probability is not finite.
    """
    device = next(iter(model.parameters())).device
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i].tokens))
    result: dict[int, SequenceScore] = {}
    for batch in _batches(order, sequences):
        width = len(sequences[batch[0]].tokens)
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        for row, index in enumerate(batch):
            tokens = sequences[index].tokens
            ids[row, : len(tokens)] = torch.tensor(tokens)
        # Padding stands on the right, and attention looks left only.
        log_probs = token_log_probs(model, ids.to(device), options)
        for row, index in enumerate(batch):
            start, end = sequences[index].start, len(sequences[index].tokens)
            total = float(log_probs[row, start - 1 : end - 1].double().sum())
            if not numpy.isfinite(total):
                raise RunError("the model gives a log-probability that is not finite")
            result[index] = SequenceScore(total, end - start)
    return [result[index] for index in range(len(sequences))]


def token_log_probs(model: torch.nn.Module, ids: Tensor, options: ScoringOptions) -> Tensor:
    """Compute the log-probability of every token but the first, given those before it.

    Args:
        model: The model, in evaluation mode.
        ids: Token ids, shape (rows, tokens).
        options: Numerics.

    Returns:
        Shape (rows, tokens - 1), float32.
    """
    autocast = torch.autocast(ids.device.type, torch.bfloat16, enabled=options.bfloat16)
    with torch.no_grad(), autocast, rounded_products(model, bfloat16=options.bfloat16):
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
    reshard(model)
    logits = logits[:, :-1].float()
    chosen = logits.gather(-1, ids[:, 1:, None])[..., 0]
    return chosen - logits.logsumexp(dim=-1)


def _batches(order: Sequence[int], sequences: Sequence[TokenSequence]) -> Iterable[list[int]]:
    batch: list[int] = []
    for index in order:
        width = len(sequences[batch[0]].tokens) if batch else 0
        if batch and width * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
