"""The model that a config describes, without weights: its class, its parameters and their shapes."""

import warnings

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from ..checkpoints import Checkpoint
from ..language_model import quiet_loading


def model_shape(checkpoint: Checkpoint) -> transformers.PreTrainedModel | None:
    """Build the model that a checkpoint's config names, on the meta device.

    Cost: a fraction of a second and a few megabytes, whatever the size of the model.

    Args:
        checkpoint: A whole model.

    Returns:
        The model without weights; None where no config is there, or transformers has no class for
        it (own code of the folder is never run).
    """
    if not checkpoint.config.get("model_type"):
        return None
    try:
        with quiet_loading(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = AutoConfig.from_pretrained(str(checkpoint.folder), trust_remote_code=False)
            with torch.device("meta"):
                return _of_config(config)
    # A config can be wrong in as many ways as there are classes; names then decide alone.
    except Exception:
        return None


def _of_config(config: transformers.PreTrainedConfig) -> transformers.PreTrainedModel | None:
    if type(config) in AutoModelForCausalLM._model_mapping:
        made: transformers.PreTrainedModel = AutoModelForCausalLM.from_config(config)
        return made
    # Multimodal classes that are no causal language model by themselves.
    for name in config.architectures or ():
        named = getattr(transformers, name, None)
        if isinstance(named, type) and issubclass(named, transformers.PreTrainedModel):
            return named(config)
    return None
