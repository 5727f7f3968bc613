"""Opens a tuned model, a whole one or an adapter, as the direction that leads to it."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig

from ...errors import ModelError, first_reason
from ...provenance import digest_file
from ..checkpoints import Checkpoint, StoredTensor, check_gathered, check_vocabulary
from ..language_model import (
    LanguageModel,
    TiedWeightsError,
    list_places,
    load_weights,
    quiet_loading,
    resizing_advice,
    tied_names,
    weights_change,
)
from ..pairing import untied_base
from ..points import Change, Direction, LowRank
from ._tuned_adapter import adapter_change
from ._tuned_layout import build_skeleton, plain_tensors, reads_plainly


class DeltaDirection:
    """tuned - base, read from the tuned checkpoint one tensor at a time."""

    def __init__(
        self, checkpoint: Checkpoint, opened: LanguageModel, stored: Mapping[str, StoredTensor]
    ) -> None:
        """Find where each weight lies, and check that it fits the base.

        Args:
            checkpoint: A whole model.
            opened: The base model.
            stored: The tensor of each weight and buffer of the tuned model, tied ones under each of
                their names.

        Raises:
            TiedWeightsError: The base ties two weights that the tuned model holds apart.
            ModelError: A weight is missing or has another shape, or a buffer differs.
        """
        self._checkpoint, self._stored = checkpoint, stored
        for name, place in list_places(opened.model).items():
            if name not in stored:
                raise ModelError(
                    f"{checkpoint.folder}: {name}: is missing after tuning; it was tuned from "
                    "another model"
                )
            shape = stored[name].shape
            if shape != place.shape:
                mend = resizing_advice(opened.model, name, shape)
                raise ModelError(
                    f"{checkpoint.folder}: {name} has shape {shape} and the base {place.shape}"
                    f"{mend or '; it was tuned from another model'}"
                )
        self._check_ties(opened.model)
        _check_buffers(
            {name: s.value for name, s in stored.items()}, opened.model, checkpoint.folder
        )
        self._identity = _identity(checkpoint)

    def _check_ties(self, base: torch.nn.Module) -> None:
        """Refuse a tied weight whose names were tuned to different values."""
        for alias, name in tied_names(base).items():
            left, right = self._stored.get(alias), self._stored[name]
            if left in (None, right):
                continue
            if not torch.equal(left.value(), right.value()):
                raise TiedWeightsError(f"{alias} and {name} differ, and the base ties them")

    def identity(self) -> JsonValue:
        """Return the digests of the tuned files."""
        return self._identity

    def prepare(self) -> None:
        """Do nothing: the files exist."""

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        """Compute the change (tuned - base) of one weight."""
        tuned = self._stored[name].value()
        if not torch.isfinite(tuned).all():
            raise ModelError(f"{self._stored[name].path}: tensor {name} holds NaN or infinity")
        return tuned - base.detach().float().cpu()


def open_tuned(
    checkpoint: Checkpoint,
    opened: LanguageModel,
    config: PreTrainedConfig | None = None,
    *,
    target: LanguageModel | None = None,
) -> Direction:
    """Open a tuned model as a direction: base + 1 * direction = tuned.

    Args:
        checkpoint: A whole model or a PEFT adapter.
        opened: The base that it was tuned from.
        config: The whole model's config, where it was read already.
        target: The base whose weights are to move, where it is the same with its head on its own.

    Returns:
        The direction. A whole model is read as it is needed where each stored name is a name of the
        base and transformers converts nothing; else transformers loads it once, and the change is
        held in memory. An adapter is merged once, into a copy of the base, by PEFT itself, so that
        every kind that PEFT can merge is right. Where the base is quantised or offloaded, nothing
        can be merged, and only plain LoRA can be read, from its factors.

    Raises:
        TiedWeightsError: The base ties two weights that the tuned model holds apart; the base has to
            be opened with its head on its own.
        ModelError: Unreadable files, or a model or adapter of another base.
    """
    target = target or opened
    check_gathered(checkpoint.tensors)
    check_vocabulary(checkpoint.tensors, opened.model)
    try:
        if checkpoint.is_adapter:
            change = adapter_change(checkpoint, opened, target)
            return _HeldDirection(change, _identity(checkpoint))
        skeleton = build_skeleton(
            config or read_config(checkpoint, opened), opened, checkpoint.source
        )
        is_alike = type(skeleton).__name__ == type(opened.model).__name__
        if is_alike and reads_plainly(checkpoint, skeleton):
            return DeltaDirection(checkpoint, target, plain_tensors(checkpoint, skeleton))
        return _HeldDirection(_loaded_change(checkpoint, target), _identity(checkpoint))
    except TiedWeightsError as error:
        raise TiedWeightsError(
            f"{checkpoint.source}: {error.reason}", untied_base(opened.source)
        ) from None


def read_config(checkpoint: Checkpoint, opened: LanguageModel) -> PreTrainedConfig:
    """Read the config that a whole tuned model computes with.

    Args:
        opened: The base; the folder's own code may run if the base's was trusted.

    Returns:
        As transformers reads it; of a multimodal model of which transformers opens the text model
        alone, the config of the text model.

    Raises:
        ModelError: It cannot be read.
    """
    try:
        with quiet_loading():
            config: PreTrainedConfig = AutoConfig.from_pretrained(
                checkpoint.folder, trust_remote_code=opened.trust_remote_code
            )
    except Exception as error:
        raise ModelError(
            f"{checkpoint.source}: its config.json cannot be read ({first_reason(error)}); correct "
            "the field, or save it again"
        ) from error
    text: PreTrainedConfig = config.get_text_config()
    if text is not config:
        skeleton = build_skeleton(copy.deepcopy(config), opened, checkpoint.source)
        if type(skeleton.config) is type(text):
            return text
    return config


class _HeldDirection:
    """A change that is held in memory."""

    def __init__(self, change: Change, identity: JsonValue) -> None:
        self._change = change
        self._identity = identity

    def identity(self) -> JsonValue:
        return self._identity

    def prepare(self) -> None:
        pass

    def delta(self, name: str, base: Tensor) -> Tensor | None:
        change = self._change.get(name)
        return change.dense() if isinstance(change, LowRank) else change


def _loaded_change(checkpoint: Checkpoint, opened: LanguageModel) -> Change:
    """Read the change of a model whose files have other names or shapes than its weights."""
    with quiet_loading(), torch.random.fork_rng():
        tuned = load_weights(
            str(checkpoint.folder),
            source=checkpoint.source,
            options={"dtype": torch.float32, "trust_remote_code": opened.trust_remote_code},
        )
    try:
        change = weights_change(opened.model, tuned)
    except TiedWeightsError:
        raise
    except ModelError as error:
        raise ModelError(f"{checkpoint.folder}: {error}; it was tuned from another model") from None
    parameters = dict(tuned.named_parameters(remove_duplicate=False))
    buffers = {
        name: tensor.float for name, tensor in tuned.state_dict().items() if name not in parameters
    }
    _check_buffers(buffers, opened.model, checkpoint.folder)
    for name, difference in change.items():
        if not torch.isfinite(difference).all():
            raise ModelError(f"{checkpoint.folder}: tensor {name} holds NaN or infinity")
    return change


def _check_buffers(
    tuned: Mapping[str, Callable[[], Tensor]], base: torch.nn.Module, folder: Path
) -> None:
    """Refuse a model that moved a stored buffer, such as the bias of a router: no change reaches it."""
    for name, buffer in base.named_buffers():
        if name not in tuned or buffer.device.type == "meta":
            continue
        # Rounded to the dtype that the base holds it in, as transformers does.
        if not torch.equal(tuned[name]().to(buffer.dtype), buffer.cpu()):
            raise ModelError(
                f"{folder}: {name} is a buffer that differs from the base's, and a change of "
                f"weights does not reach it; give a base that holds the tuned {name}"
            )


def _identity(checkpoint: Checkpoint) -> JsonValue:
    """Return the digests of all files that determine the weights."""
    kind = "adapter" if checkpoint.is_adapter else "delta"
    return {"kind": kind, "files": {file.name: digest_file(file) for file in checkpoint.files}}
