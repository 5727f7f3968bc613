"""Compares the base at a tuned point with the tuned model as transformers or PEFT opens it.

The last guard before scores: whatever the rules about names, ties and configs have missed shows in
the logits.
"""

import copy
import math
import warnings

import torch
from peft import PeftModel
from torch import Tensor

from ...errors import ModelError, first_reason
from ..checkpoints import Checkpoint
from ..language_model import LanguageModel, load_weights, quiet_loading, rounded_products
from ..points import Point, at_point

_NUM_TOKENS = 48
_LARGEST_WINDOW = 256
"""A sliding window that is longer is not filled, for the tokens would cost more than the scores."""
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size", "local_attention_window")
_MOST_APART = 0.1
"""The share of tokens that may be apart: rounding can send a token to another expert."""
_NUM_EPS = 2**12
"""float32: a merged LoRA is 9e-6 of the spread apart on SmolLM2-135M, and 7e-7 on tiny models."""
_WHOLE = {torch.float16: 0.005, torch.bfloat16: 0.02}
"""A whole model's weights are rounded once more: 0.003 apart in bfloat16 on tiny models, often 0."""
_ADAPTER = {torch.float16: 0.1, torch.bfloat16: 0.5}
"""Merging rounds: 0.003 and 0.02 apart on tiny models, in bfloat16 0.12 on SmolLM2-135M with a random
adapter."""


_OPENED_BY = {True: "PEFT opens it, not merged,", False: "transformers opens it"}
_MENDS = {
    True: "if it is used merged, merge it with merge_and_unload(), save it and give that folder",
    False: "give the base that it was tuned from, with the config that it had then",
}


def probe_tokens(opened: LanguageModel) -> Tensor:
    """Draw the tokens that the comparison runs, always the same for one base.

    Returns:
        One row of ordinary tokens, long enough to leave a short sliding window.
    """
    config = opened.model.config.get_text_config()
    windows = [getattr(config, key, None) for key in _WINDOWS]
    short = [w for w in windows if isinstance(w, int) and 0 < w < _LARGEST_WINDOW]
    length = max([_NUM_TOKENS, *(math.ceil(1.5 * window) for window in short)])
    limit = getattr(config, "max_position_embeddings", None)
    if isinstance(limit, int) and limit > 0:
        length = min(length, limit)
    rows = opened.model.get_input_embeddings().weight.shape[0]
    special = set(opened.tokenizer.all_special_ids)
    ordinary = [i for i in range(min(rows, len(opened.tokenizer))) if i not in special]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(ordinary), (length,), generator=generator)
    return torch.tensor([[ordinary[int(index)] for index in drawn]])


def logits_of(model: torch.nn.Module, tokens: Tensor, device: torch.device) -> Tensor:
    """Run tokens through a model."""
    tokens = tokens.to(device)
    try:
        with torch.no_grad(), rounded_products(model, bfloat16=False):
            result = model(
                input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False
            )
    except Exception as error:
        raise ModelError(
            f"its code fails on {tokens.shape[1]} plain tokens ({type(error).__name__}: {first_reason(error)}), "
            "so it cannot be scored; if it is an adapter, leave out the module that it breaks"
        ) from error
    logits: Tensor = result.logits[0].float().cpu()
    return logits


def reference_logits(checkpoint: Checkpoint, opened: LanguageModel, tokens: Tensor) -> Tensor:
    """Compute the logits of a tuned model without any of our own reading.

    Cost: a second copy of the model in memory, at the base's dtype and on its device, and one pass.

    Args:
        checkpoint: A whole model, opened by transformers with its own config, or an adapter, opened
            by PEFT on a copy of the base and not merged.
        opened: The base; it is not touched.
        tokens: One row.

    Returns:
        As `logits_of`.

    Raises:
        ModelError: It cannot be opened, or does not fit into memory.
    """
    with quiet_loading(), torch.random.fork_rng():
        if checkpoint.is_adapter:
            model = _adapted(checkpoint, opened)
        else:
            model = _loaded(checkpoint, opened)
        return logits_of(model, tokens, opened.device)


def check_point(
    opened: LanguageModel,
    point: Point,
    tokens: Tensor,
    reference: Tensor,
    *,
    is_adapter: bool = False,
) -> None:
    """Check that the base at the tuned point computes what the tuned model computes.

    Args:
        opened: The base; it is put back bit for bit.
        tokens: One row.
        reference: The tuned model's own logits.
        is_adapter: They are those of an adapter that is not merged.

    Raises:
        ModelError: More than a tenth of the tokens are further apart than rounding explains.
    """
    with at_point(opened, point):
        result = logits_of(opened.model, tokens, opened.device)
    if result.shape != reference.shape:
        raise ModelError(
            f"the logits have shape {tuple(reference.shape)} in the tuned model and "
            f"{tuple(result.shape)} in the base"
        )
    distance = _distances(result, reference)
    allowed = tolerance(next(opened.model.parameters()).dtype, is_adapter=is_adapter)
    num_apart = int((~(distance <= allowed)).sum())
    if num_apart > _MOST_APART * len(distance):
        raise ModelError(
            f"on {len(distance)} tokens the logits of {opened.source} at the tuned weights are "
            f"{float(distance.nan_to_num(math.inf).max()):.2g} of their spread away from those of "
            f"the tuned model as {_OPENED_BY[is_adapter]} (at most {allowed:.2g} is rounding); "
            f"{_MENDS[is_adapter]}"
        )


def tolerance(dtype: torch.dtype, *, is_adapter: bool = False) -> float:
    """Return the share of the spread of the logits that rounding may explain."""
    half = _ADAPTER if is_adapter else _WHOLE
    return half.get(dtype, _NUM_EPS * torch.finfo(dtype).eps)


def _distances(result: Tensor, reference: Tensor) -> Tensor:
    """Compute per token the root mean square difference over the spread of all logits."""
    spread = (reference - reference.mean(dim=-1, keepdim=True)).square().mean().sqrt()
    return (result - reference).square().mean(dim=-1).sqrt() / spread.clamp_min(1e-30)


def _loaded(checkpoint: Checkpoint, opened: LanguageModel) -> torch.nn.Module:
    options: dict[str, object] = {
        "dtype": opened.asked_dtype or torch.float32,
        "trust_remote_code": opened.trust_remote_code,
    }
    placed = vars(opened.model).get("hf_device_map")
    if placed:
        options["device_map"] = placed
    model: torch.nn.Module = load_weights(
        str(checkpoint.folder), source=checkpoint.source, options=options
    )
    try:
        return model.eval() if placed else model.eval().to(opened.device)
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{checkpoint.source}: does not fit into memory beside its base, to compare the two; "
            "halve both with dtype (--dtype bfloat16), or offload the base with device_map "
            "(--device-map auto), where they are not compared"
        ) from error


def _adapted(checkpoint: Checkpoint, opened: LanguageModel) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = PeftModel.from_pretrained(copy.deepcopy(opened.model), str(checkpoint.folder))
    model: torch.nn.Module = adapted.eval()
    return model
