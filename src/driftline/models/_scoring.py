"""Log-likelihoods of token sequences, and greedy answers, as fast as plain PyTorch gives them.

Three savings carry it: identical inputs run once (the choices of an item that are one token each
share a single pass), batches hold sequences of like length, and the output head sees only the
positions that are scored.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GenerationConfig

from ..errors import ModelError, RunError
from ..results import Numerics
from ._opening import LanguageModel


@dataclass(frozen=True)
class TokenSequence:
    """Tokens of which those from `start` on are scored, each given all before it."""

    tokens: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class SequenceScore:
    """What the model says of one sequence's scored tokens."""

    log_likelihood: float
    """Sum of natural-log probabilities, in nats."""
    num_tokens: int


@dataclass(frozen=True)
class ScoringOptions:
    """How scores are computed. In bfloat16 a score also moves a little with its batch."""

    bfloat16: bool = True
    """Run the body's matrix products in bfloat16 (autocast); the head runs in float32."""
    batch_tokens: int = 2048
    """Upper bound for the tokens of one batch, padding included."""


def numerics(opened: LanguageModel, options: ScoringOptions) -> Numerics:
    """What a score depends on beside weights and items."""
    return Numerics(
        compute_dtype="bfloat16 with float32 head" if options.bfloat16 else "float32",
        device=opened.device.type,
        num_threads=torch.get_num_threads(),
        torch_version=torch.__version__,
    )


def score_sequences(
    opened: LanguageModel,
    sequences: Sequence[TokenSequence],
    options: ScoringOptions,
    *,
    on_tokens: Callable[[int], None] = lambda _count: None,
) -> list[SequenceScore]:
    """Score sequences, in the order given.

    Cost: one forward pass over the distinct inputs; memory of one batch plus its scored logits.

    Args:
        opened: The model, at whatever point it stands.
        sequences: What to score; `start` must be at least 1.
        options: Numerics and batch size.
        on_tokens: Called after each batch with the number of tokens that went in.

    Returns:
        One score a sequence.

    Raises:
        RunError: The model gave a log-probability that is not finite.
    """
    # The last token is only ever predicted, so it need not go in.
    inputs: dict[tuple[int, ...], list[int]] = {}
    for index, sequence in enumerate(sequences):
        inputs.setdefault(sequence.tokens[:-1], []).append(index)
    order = sorted(inputs, key=lambda tokens: (len(tokens), tokens))
    scores: dict[int, SequenceScore] = {}
    with _scoring_mode(opened, options), _head_on_chosen_positions(opened) as choose:
        for batch in _batches(order, options.batch_tokens):
            members = [(row, index) for row, tokens in enumerate(batch) for index in inputs[tokens]]
            values = _score_batch(opened, batch, [(r, sequences[i]) for r, i in members], choose)
            scores.update(zip((index for _row, index in members), values, strict=True))
            on_tokens(sum(len(tokens) for tokens in batch))
    if any(not _is_finite(score.log_likelihood) for score in scores.values()):
        raise RunError(
            "the model gives a log-probability that is not finite; its weights or the "
            "perturbation are out of the range of the dtype"
        )
    return [scores[index] for index in range(len(sequences))]


def generate_greedily(
    opened: LanguageModel,
    prompts: Sequence[tuple[int, ...]],
    options: ScoringOptions,
    *,
    max_new_tokens: int,
) -> list[str]:
    """The model's greedy continuations, decoded without special tokens.

    Args:
        opened: The model, at whatever point it stands.
        prompts: Prompts as tokens; each runs by itself, so padding cannot change an answer.
        options: Numerics.
        max_new_tokens: Where to stop at the latest.

    Returns:
        One text a prompt.

    Raises:
        ModelError: A prompt and its answer may be longer than the model's context.
    """
    for prompt in prompts:
        check_length(opened, len(prompt) + max_new_tokens)
    tokenizer = opened.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    texts = []
    with _scoring_mode(opened, options), _plain_generation(opened):
        for prompt in prompts:
            ids = torch.tensor([prompt], device=opened.device)
            answer = opened.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=max_new_tokens,
                pad_token_id=pad,
            )
            texts.append(tokenizer.decode(answer[0, ids.shape[1] :], skip_special_tokens=True))
    return texts


def _batches(order: list[tuple[int, ...]], batch_tokens: int) -> Iterator[list[tuple[int, ...]]]:
    """Runs of the ordered inputs whose padded size stays under the bound."""
    batch: list[tuple[int, ...]] = []
    for tokens in order:
        # Sorted by length: the newest is the longest, so it sets the padded width.
        if batch and (len(batch) + 1) * len(tokens) > batch_tokens:
            yield batch
            batch = []
        batch.append(tokens)
    if batch:
        yield batch


Positions = tuple[Tensor, Tensor]
"""Rows and columns of the positions whose logits are wanted."""


def _score_batch(
    opened: LanguageModel,
    batch: list[tuple[int, ...]],
    members: list[tuple[int, TokenSequence]],
    choose: Callable[[Positions], None],
) -> list[SequenceScore]:
    """Scores of the members (row in the batch, sequence), through one forward pass."""
    width = max(len(tokens) for tokens in batch)
    # Padding stands on the right, and attention looks left only: no mask is needed.
    ids = torch.tensor([tokens + (0,) * (width - len(tokens)) for tokens in batch])
    scored = [
        (row, position - 1, sequence.tokens[position])
        for row, sequence in members
        for position in range(sequence.start, len(sequence.tokens))
    ]
    rows, columns, targets = (
        torch.tensor(values, device=opened.device) for values in zip(*scored, strict=True)
    )
    choose((rows, columns))
    logits = opened.model(input_ids=ids.to(opened.device), use_cache=False).logits[0].float()
    log_probabilities = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(dim=1)
    counts = [len(sequence.tokens) - sequence.start for _row, sequence in members]
    sums = [part.double().sum() for part in log_probabilities.cpu().split(counts)]
    return [SequenceScore(float(total), count) for total, count in zip(sums, counts, strict=True)]


@contextlib.contextmanager
def _scoring_mode(opened: LanguageModel, options: ScoringOptions) -> Iterator[None]:
    """Evaluation mode, no gradients, autocast; the training flag is put back."""
    was_training = opened.model.training
    opened.model.eval()
    autocast = torch.autocast(opened.device.type, dtype=torch.bfloat16, enabled=options.bfloat16)
    try:
        # Autocast keeps the cast weights until its end, so each is cast once a call.
        with torch.no_grad(), autocast:
            yield
    finally:
        opened.model.train(was_training)


@contextlib.contextmanager
def _head_on_chosen_positions(
    opened: LanguageModel,
) -> Iterator[Callable[[Positions], None]]:
    """Let the output head see only the chosen positions, whatever the family.

    They are gathered from the hidden states, shape (batch, length, width) to (1, positions,
    width), so the logits come out as (1, positions, vocabulary). The head runs in the dtype of its
    own weights whatever autocast says: near 25, where logits lie, bfloat16 moves in steps of
    0.125, and a margin is a difference of two logits.

    Yields:
        A function to call with the positions before each forward pass.
    """
    head = opened.model.get_output_embeddings()
    chosen: list[Positions] = []
    forward = head.forward

    def forward_chosen(hidden: Tensor) -> Tensor:
        rows, columns = chosen[0]
        with torch.autocast(opened.device.type, enabled=False):
            logits: Tensor = forward(hidden[rows, columns][None].to(head.weight.dtype))
        return logits

    def choose(positions: Positions) -> None:
        chosen[:] = [positions]

    # On the instance, over the class's own method or over what a dispatcher put there.
    own = vars(head).get("forward")
    head.forward = forward_chosen
    try:
        yield choose
    finally:
        del head.forward
        if own is not None:
            head.forward = own


@contextlib.contextmanager
def _plain_generation(opened: LanguageModel) -> Iterator[None]:
    """Greedy is greedy: a checkpoint's own penalties, beams and limits do not count here."""
    model, own = opened.model, opened.model.generation_config
    model.generation_config = GenerationConfig(eos_token_id=own.eos_token_id)
    try:
        yield
    finally:
        model.generation_config = own


def check_length(opened: LanguageModel, length: int) -> None:
    """Refuse what does not fit into the model's context.

    Args:
        opened: The model.
        length: Tokens that an item takes.

    Raises:
        ModelError: The context is shorter.
    """
    limit = getattr(opened.model.config, "max_position_embeddings", None)
    if limit is not None and length > limit:
        raise ModelError(
            f"{opened.source}: an item takes {length} tokens and the model's context is {limit}; "
            "shorten the item"
        )


def _is_finite(value: float) -> bool:
    return value - value == 0.0
