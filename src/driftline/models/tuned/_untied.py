"""Opens a base with its head on its own, for tuned models that moved head and embedding apart."""

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch
from transformers import PreTrainedConfig

from ...errors import ModelError
from ..language_model import LanguageModel, tied_names, weights_digest
from ..pairing import untied_base
from ._reference import logits_of, probe_tokens


def untied(opened: LanguageModel) -> LanguageModel:
    """Open a base again with copies in place of tied weights; it computes the same, bit for bit.

    Cost: memory for one more head; all other weights are shared with the base that was given. Two
    passes over a few tokens, and one over the weights for the digest.

    Args:
        opened: A base whose weights lie in memory; it is not touched.

    Returns:
        The base whose head can move on its own.

    Raises:
        ModelError: The copy computes something else.
    """
    model = opened.model
    shared = {id(t): t for t in (*model.parameters(), *model.buffers())}
    parted = copy.deepcopy(model, shared)
    ties = tied_names(parted)
    for alias in ties:
        module, _, key = alias.rpartition(".")
        old = parted.get_parameter(alias)
        own = torch.nn.Parameter(old.detach().clone(), requires_grad=old.requires_grad)
        setattr(parted.get_submodule(module), key, own)
    for config in _configs(parted.config):
        if getattr(config, "tie_word_embeddings", False):
            config.tie_word_embeddings = False
    parted.all_tied_weights_keys = {}
    tokens = probe_tokens(opened)
    before, after = (logits_of(each, tokens, opened.device) for each in (model, parted))
    if not torch.equal(before, after):
        raise ModelError(
            f"{opened.source}: computes something else when its head is a copy of its embedding; "
            f"{untied_base(opened.source)}"
        )
    return replace(opened, model=parted, digest=weights_digest(parted))


def _configs(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    yield config
    for value in list(vars(config).values()):
        if isinstance(value, PreTrainedConfig):
            yield from _configs(value)
