"""The model that a config describes, without weights: its class, its parameters and their shapes."""

import warnings
from dataclasses import dataclass

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

from .._failures import describe_error
from ..checkpoints import Checkpoint
from ..language_model import quiet_loading


@dataclass(frozen=True)
class ModelShape:
    """A model without weights, or the reason why there is none."""

    model: transformers.PreTrainedModel | None
    failure: str | None = None
    """Error of transformers while it built the model; None where it has no class for the config."""


def model_shape(checkpoint: Checkpoint) -> ModelShape:
    """Build the model that a checkpoint's config names, on the meta device.

    Cost: a fraction of a second and a few megabytes, whatever the size of the model.

    Args:
        checkpoint: A whole model.

    Returns:
        The model on the meta device; none where no config is there, where transformers has no class for
        it (own code of the folder is never run), or where building it failed.
    """
    if checkpoint.config.get("model_type") not in CONFIG_MAPPING:
        return ModelShape(None)
    try:
        with quiet_loading(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = AutoConfig.from_pretrained(str(checkpoint.folder), trust_remote_code=False)
            with torch.device("meta"):
                return ModelShape(_of_config(config))
    # A config can be wrong in as many ways as there are classes; the caller says so and pairs by name.
    except Exception as error:
        return ModelShape(None, f"{checkpoint.source}: {describe_error(error)}")


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
