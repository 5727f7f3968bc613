"""Weights of a tuned model that its stored tensors become, by transformers' own rules.

Asked before anything large is read: the model is built without weights, from the tuned config, and
transformers' renaming is applied to the stored names.
"""

import copy
from collections.abc import Iterator, Mapping

import torch
import transformers
from transformers import AutoModelForCausalLM
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

from ...errors import ModelError, first_reason
from ..checkpoints import Checkpoint, StoredTensor, read_header
from ..language_model import LanguageModel, quiet_loading
from ..pairing import WeightPair, text_base
from ._config_reads import check_configs, recorded_reads
from ._reference import logits_of


def build_skeleton(
    config: transformers.PreTrainedConfig, opened: LanguageModel, source: str
) -> transformers.PreTrainedModel:
    """Build the model that transformers would make of a config, without weights."""
    try:
        with quiet_loading(), torch.device("meta"), torch.random.fork_rng():
            skeleton: transformers.PreTrainedModel = AutoModelForCausalLM.from_config(
                config, trust_remote_code=opened.trust_remote_code
            )
    except Exception as error:
        raise ModelError(
            f"{source}: no causal language model can be built from its config.json ({first_reason(error)}); "
            "save it again, or give the base that it was tuned from"
        ) from error
    return skeleton


def check_computes_alike(
    config: transformers.PreTrainedConfig, source: str, opened: LanguageModel, tokens: torch.Tensor
) -> None:
    """Refuse a config that computes differently: equal weights then are another model.

    Cost: two models without weights, and one pass of the base over the tokens.

    Args:
        config: As transformers reads it.
        source: The model that it belongs to, for messages.
        opened: The base; it is not touched.
        tokens: One row.

    Raises:
        ModelError: A key that the code reads differs from the base's, or the base holds such a model inside another.
    """
    ours = opened.model.config
    if type(config) is not type(ours) and type(config) is type(ours.get_text_config()):
        raise ModelError(
            f"{source}: is a text model ({config.model_type}), and the base holds such a one inside a "
            f"multimodal model ({ours.model_type}); {text_base(opened.source)}"
        )
    with recorded_reads(config, ours) as reads:
        for each in (config, ours):
            build_skeleton(copy.deepcopy(each), opened, source)
        logits_of(opened.model, tokens, opened.device)
    check_configs(config, ours, reads, source=source)


def reads_plainly(checkpoint: Checkpoint, skeleton: transformers.PreTrainedModel) -> bool:
    """Tell whether transformers takes every stored tensor as it is, under its stored name.

    Args:
        checkpoint: A whole model.
        skeleton: The model without weights.

    Returns:
        False where a tensor would be renamed, converted or passed over, or where one is missing
        other than by a tie.
    """
    own = skeleton.state_dict()
    for name, result in _renamed(checkpoint, skeleton):
        if result != (name, None) or name not in own:
            return False
    filled = checkpoint.tensors.keys() | _tied_tensors(checkpoint, skeleton).keys()
    return set(own) <= filled


def unloaded_changes(checkpoint: Checkpoint, opened: LanguageModel) -> tuple[str, ...]:
    """Find what differs from the base's files and reaches neither model in memory.

    Cost: one pass over those tensors.

    Args:
        checkpoint: A tuned model.
        opened: Its base.

    Returns:
        Names of stored tensors that the model's class does not load, such as those of a vision tower;
        none of an adapter, and none where the base is quantised or was not opened from safetensors.
    """
    if checkpoint.is_adapter or opened.packing is not None:
        return ()
    files = [path for path in opened.files.digests if path.suffix == ".safetensors"]
    base = {name: tensor for path in files for name, tensor in read_header(path).items()}
    own = opened.model.state_dict()
    return tuple(
        name
        for name, (renamed, _) in _renamed(checkpoint, opened.model)
        if name in base
        and not {name, renamed} & own.keys()
        and WeightPair(name, base[name], checkpoint.tensors[name]).differs()
    )


def _renamed(
    checkpoint: Checkpoint, model: transformers.PreTrainedModel
) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """Yield each stored name, and what transformers makes of it: a name, and its conversion."""
    rules = get_model_conversion_mapping(model)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    own = model.state_dict()
    for name in checkpoint.tensors:
        yield name, rename_source_key(name, renamings, converters, model.base_model_prefix, own)


def plain_tensors(
    checkpoint: Checkpoint, skeleton: transformers.PreTrainedModel
) -> dict[str, StoredTensor]:
    """Find the stored tensor of each weight of a model that reads plainly.

    Args:
        checkpoint: A whole model.
        skeleton: The model without weights.

    Returns:
        Name of each weight and buffer, tied ones under each of their names, to the tensor.
    """
    return {**_tied_tensors(checkpoint, skeleton), **checkpoint.tensors}


def _tied_tensors(
    checkpoint: Checkpoint, skeleton: transformers.PreTrainedModel
) -> dict[str, StoredTensor]:
    """Return the tensors that tied weights share, as transformers ties them, from either end."""
    ties: Mapping[str, str] = getattr(skeleton, "all_tied_weights_keys", {})
    result = {}
    for alias, name in ties.items():
        for missing, present in ((alias, name), (name, alias)):
            if missing not in checkpoint.tensors and present in checkpoint.tensors:
                result[missing] = checkpoint.tensors[present]
    return result
