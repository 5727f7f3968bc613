"""Weights of a tuned model that its stored tensors become, by transformers' own rules.

Asked before anything large is read: the model is built without weights, from the tuned config, and
transformers' renaming is applied to the stored names.
"""

import copy
from collections.abc import Mapping

import torch
import transformers
from transformers import AutoModelForCausalLM
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

from ...errors import ModelError, first_reason
from ..checkpoints import Checkpoint, StoredTensor
from ..language_model import LanguageModel, quiet_loading
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
        ModelError: A key that the code reads differs from the base's.
    """
    ours = opened.model.config
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
    rules = get_model_conversion_mapping(skeleton)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    own = skeleton.state_dict()
    for name in checkpoint.tensors:
        result = rename_source_key(name, renamings, converters, skeleton.base_model_prefix, own)
        if result != (name, None) or name not in own:
            return False
    filled = checkpoint.tensors.keys() | _tied_tensors(checkpoint, skeleton).keys()
    return set(own) <= filled


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
