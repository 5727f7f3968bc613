"""From text to tokens, so that the options of one item are scored from the same place on."""

from collections.abc import Sequence
from typing import NamedTuple

from ...errors import ModelError
from ..language_model import LanguageModel
from ._prefix_tree import TokenSequence, num_shared

Messages = Sequence[dict[str, str]]


class PackedRows(NamedTuple):
    """Rows of tokens, all of one length."""

    rows: tuple[tuple[int, ...], ...]
    num_leading: int
    """Tokens at the beginning of each row whose states say nothing of the text. The first is always
    one: models park attention there, and its state is often a thousand times as long as others."""


def encode_completions(
    opened: LanguageModel, prompt: str | Messages, completions: Sequence[str]
) -> list[TokenSequence]:
    """Encode prompt + completion for each completion, scored from one common place on.

    The text is tokenised as a whole, as the model would meet it. Scoring starts where the
    tokens of any completion first leave those of the prompt, the same place for all, so that
    their likelihoods compare. The tokenizer's own leading token is kept; where it has none and the
    prompt is empty, its beginning-of-text token (or else its end-of-text token) is put there, as
    lm-eval does, so that the first token can be scored too.

    Args:
        opened: The model whose tokenizer and chat template to use.
        prompt: A text, or chat messages for the model's template.
        completions: The continuations, joined to the prompt as they stand.

    Returns:
        One sequence a completion.

    Raises:
        ModelError: The model has no chat template for messages, the sequence is longer than the
            model's context, or there is nothing to score.
    """
    prefix, is_chat = _prompt_text(opened, prompt)
    lead = () if is_chat else _lead(opened, is_empty=not prefix)
    prompt_tokens = lead + _tokens(opened, prefix)
    encoded = [lead + _tokens(opened, prefix + completion) for completion in completions]
    start = min(num_shared(prompt_tokens, tokens) for tokens in encoded)
    if start == 0:
        # The first tokens differ already, and only what follows a token can be scored.
        lead = _lead(opened, is_empty=True)
        encoded, start = [lead + tokens for tokens in encoded], len(lead)
    for tokens, completion in zip(encoded, completions, strict=True):
        if len(tokens) <= start:
            raise ModelError(f"nothing to score: {completion!r} adds no token to its prompt")
        check_length(opened, len(tokens))
    return [TokenSequence(tokens, start) for tokens in encoded]


def encode_passage(opened: LanguageModel, text: str) -> list[TokenSequence]:
    """Encode a text that is scored whole, in windows if the model's context is shorter.

    The windows are those of lm-eval with a context of one token: the first holds as many tokens
    as the model takes and one more, which is only predicted; each further one begins with the last
    token that was scored, and the last window reaches back until it is full. So each token is
    scored once, given at least one before it.

    Args:
        opened: The model whose tokenizer and context to use.
        text: The text.

    Returns:
        One sequence a window; their log-likelihoods add up to that of the text.

    Raises:
        ModelError: The text has no token.
    """
    lead = _lead(opened, is_empty=True)
    tokens = lead + _tokens(opened, text)
    if len(tokens) == len(lead):
        raise ModelError(f"nothing to score: {text!r} has no token")
    limit = _context_length(opened) or len(tokens)
    windows = [TokenSequence(tokens[: limit + 1], len(lead))]
    for scored in range(limit + 1, len(tokens), limit):
        end = min(scored + limit, len(tokens))
        windows.append(TokenSequence(tokens[end - limit - 1 : end], limit + 1 - (end - scored)))
    return windows


def encode_prompt(opened: LanguageModel, prompt: str | Messages) -> tuple[int, ...]:
    """Encode a prompt to generate from.

    Args:
        opened: The model whose tokenizer and chat template to use.
        prompt: A text, or chat messages for the model's template.

    Returns:
        The tokens.

    Raises:
        ModelError: The model has no chat template for messages, or the prompt is too long.
    """
    text, is_chat = _prompt_text(opened, prompt)
    lead = () if is_chat else _lead(opened, is_empty=not text)
    tokens = lead + _tokens(opened, text)
    check_length(opened, len(tokens))
    return tokens


def encode_packed(
    opened: LanguageModel, texts: Sequence[str], *, row_tokens: int, num_rows: int
) -> PackedRows:
    """Encode texts one after another, cut into rows of one length, as packing in training does.

    Rows of one length need no padding and go through the model in one pass. Each begins with the
    tokens that the tokenizer puts before a text, if it puts any.

    Args:
        opened: The model whose tokenizer to use.
        texts: The texts; a line break goes between them.
        row_tokens: Tokens of a row; shorter if the texts do not fill one.
        num_rows: At most so many; what is left of the texts is dropped.

    Returns:
        The rows.

    Raises:
        ModelError: The texts have no token, or a row does not fit into the model's context.
    """
    lead = _lead(opened, is_empty=False)
    tokens = _tokens(opened, "\n".join(texts))
    width = min(row_tokens - len(lead), len(tokens))
    if width < 1:
        raise ModelError(f"{len(tokens)} tokens cannot be laid out in rows of {row_tokens}")
    check_length(opened, len(lead) + width)
    starts = range(0, len(tokens) - width + 1, width)[:num_rows]
    return PackedRows(tuple(lead + tokens[at : at + width] for at in starts), max(1, len(lead)))


def _prompt_text(opened: LanguageModel, prompt: str | Messages) -> tuple[str, bool]:
    if isinstance(prompt, str):
        return prompt, False
    if opened.tokenizer.chat_template is None:
        raise ModelError(
            f"{opened.source}: its tokenizer has no chat template, and messages need one; put the "
            "chat_template.jinja that the model is used with beside its tokenizer, or write the item "
            "with prompt instead of messages"
        )
    try:
        text = opened.tokenizer.apply_chat_template(
            list(prompt), tokenize=False, add_generation_prompt=True
        )
    except Exception as error:
        # A template is its author's program, which may fail in any way.
        raise ModelError(
            f"{opened.source}: its chat template refuses the messages: "
            f"{str(error) or type(error).__name__}; mend chat_template.jinja, or write the item with "
            "prompt instead of messages"
        ) from error
    return text, True


def _lead(opened: LanguageModel, *, is_empty: bool) -> tuple[int, ...]:
    """Return the tokens before all text: the tokenizer's own, or one that is required."""
    tokenizer = opened.tokenizer
    bare, whole = _tokens(opened, "a"), tuple(tokenizer("a")["input_ids"])
    own = whole[: whole.index(bare[0])] if bare and bare[0] in whole else ()
    if own or not is_empty:
        return own
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return (token,)
    raise ModelError(
        f"{opened.source}: its tokenizer has neither a beginning-of-text nor an end-of-text token; "
        "set one in tokenizer_config.json"
    )


def _tokens(opened: LanguageModel, text: str) -> tuple[int, ...]:
    tokens = tuple(opened.tokenizer(text, add_special_tokens=False)["input_ids"])
    rows = opened.model.get_input_embeddings().weight.shape[0]
    if tokens and max(tokens) >= rows:
        token = opened.tokenizer.convert_ids_to_tokens(max(tokens))
        raise ModelError(
            f"{opened.source}: a text holds {token}, a token of the tokenizer that has no row in the embedding "
            f"({rows} rows); write the item without it"
        )
    return tokens


def check_length(opened: LanguageModel, length: int) -> None:
    """Refuse what does not fit into the model's context."""
    limit = _context_length(opened)
    if limit is not None and length > limit:
        raise ModelError(
            f"{opened.source}: an item takes {length} tokens and the model's context is {limit}; "
            "shorten the item"
        )


def _context_length(opened: LanguageModel) -> int | None:
    """Return the largest number of tokens of the model; None if its config sets no limit."""
    config = opened.model.config.get_text_config()
    limit: int | None = getattr(config, "max_position_embeddings", None)
    return limit
