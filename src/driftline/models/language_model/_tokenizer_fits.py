"""Tokenizers that go together with an embedding: each token that texts become needs a row."""

import transformers

from ...errors import ModelError


def check_tokenizer_fits(
    tokenizer: transformers.PreTrainedTokenizerBase,
    model: transformers.PreTrainedModel,
    source: str,
    *,
    is_gguf: bool,
) -> None:
    """Refuse a tokenizer of another model, an empty one, and one that uses a token without a row.

    Args:
        tokenizer: The base's.
        model: The base.
        source: Its name in messages.
        is_gguf: It was made from a GGUF file, to whose tokens transformers adds special ones.

    Raises:
        ModelError: It does not fit.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    # Special tokens may lack a row: that of images in Gemma 3 1B, those that transformers adds to GGUF.
    added = tokenizer.added_tokens_decoder
    if any(n not in added or not added[n].special for n in tokens_without_row(tokenizer, rows)):
        raise ModelError(
            f"{source}: the tokenizer has {len(tokenizer)} tokens and the embedding {rows} rows; "
            "this tokenizer belongs to another model"
        )
    if not is_gguf:
        _check_used_tokens(tokenizer, rows, source)
    # Where its files are missing, transformers makes up a tokenizer of special tokens alone.
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise ModelError(
            f"{source}: the tokenizer is missing or empty; save it beside the model with "
            "tokenizer.save_pretrained(...)"
        )


def _check_used_tokens(
    tokenizer: transformers.PreTrainedTokenizerBase, rows: int, source: str
) -> None:
    """Refuse a token without a row that the tokenizer itself puts around texts or pads with."""
    beyond = tokens_without_row(tokenizer, rows)
    for name in ("bos_token", "eos_token", "pad_token"):
        if getattr(tokenizer, f"{name}_id") in beyond:
            raise ModelError(
                f"{source}: {name} {getattr(tokenizer, name)} of its tokenizer has no row in the embedding; resize "
                "the embedding (resize_token_embeddings) and save the model, or set it to a token that has a row"
            )


def tokens_without_row(
    tokenizer: transformers.PreTrainedTokenizerBase, rows: int
) -> dict[int, str]:
    """List the tokens for which an embedding has no row.

    Args:
        tokenizer: A tokenizer.
        rows: Rows of the embedding.

    Returns:
        Number to token; empty for nearly every model.
    """
    if len(tokenizer) <= rows:
        return {}
    return {number: token for token, number in tokenizer.get_vocab().items() if number >= rows}
