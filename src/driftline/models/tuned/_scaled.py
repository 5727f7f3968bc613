"""Writes base + scale * delta to disk: an adapter of the same rank where it can be one, else a model."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ...errors import ModelError
from ...model_files import folder_files, is_weights
from ..checkpoints import DTYPES, PICKLE_SUFFIXES, StoredTensor, read_json
from ..language_model import LanguageModel, list_places, tied_names
from ..points import ADAPTER_PREFIX, Point, read_adapter
from ._tuned_model import TunedModel

ScaledKind = Literal["adapter", "model"]

SHARD_BYTES = 5 * 10**9
"""A file of weights is no larger, unless one tensor is."""
_DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_UP = (".lora_B.weight", ".lora_embedding_B")
"""Ends of the names of B, the factor that takes the scale."""
_LEFT_BEHIND = (".index.json", "trainer_state.json", *PICKLE_SUFFIXES)
"""Ends of names of what belongs to the old weights: lists of their shards, states of a trainer."""
_INDEX = "model.safetensors.index.json"


class _Entry(NamedTuple):
    """One tensor that is to be written, and how it is made when its turn comes."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    value: Callable[[], Tensor]

    @property
    def num_bytes(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def can_stay_adapter(tuned: TunedModel) -> bool:
    """Return whether a scaled tuned model is an adapter of the same rank: plain LoRA, by module.

    Args:
        tuned: As it was opened.

    Returns:
        False for whole models, and for adapters that are more than their factors.
    """
    if not tuned.checkpoint.is_adapter:
        return False
    try:
        read_adapter(tuned.checkpoint)
    except ModelError:
        return False
    return True


def write_scaled(
    tuned: TunedModel, opened: LanguageModel, scales: Mapping[str, float], *, folder: Path
) -> ScaledKind:
    """Write base + scale * (tuned - base), tensor by tensor, each rounded once to its stored dtype.

    LoRA adds scaling * B @ A to a weight, so scaling B scales the change exactly and the rank stays.
    Of a whole model every weight is written in the dtype that the tuned one stores it in; of an
    adapter that cannot stay one, in the dtype that the base is held in. What else lies in the folder
    (config, tokenizer) is copied: of a whole tuned model its own, otherwise the base's.

    Cost: one pass over the weights; memory for one tensor and its change.

    Args:
        tuned: The tuned model.
        opened: Its base; it is read, not changed.
        scales: Weight name to scale. Weights that are left out are as in the base.
        folder: Output folder; it must not exist.

    Returns:
        Kind of the written model.
    """
    if can_stay_adapter(tuned):
        folder.mkdir(parents=True)
        _copy_others(tuned.checkpoint.folder, folder)
        _write(folder / "adapter_model.safetensors", _adapter_entries(tuned, opened, scales))
        return "adapter"
    folder.mkdir(parents=True)
    _copy_settings(tuned, opened, folder)
    _take_text_config(opened, folder / "config.json")
    _untie_config(opened, folder / "config.json")
    _write_shards(folder, _model_entries(tuned, opened, scales))
    return "model"


def scaled_point(tuned: TunedModel, scales: Mapping[str, float], *, label: str) -> Point:
    """Return the point that `write_scaled` writes.

    Args:
        tuned: The tuned model.
        scales: Weight name to scale.
        label: For people.

    Returns:
        base + scale * (tuned - base).
    """
    (term,) = tuned.point.terms
    return Point(label, (type(term)(term.direction, dict(scales)),))


def _adapter_entries(
    tuned: TunedModel, opened: LanguageModel, scales: Mapping[str, float]
) -> list[_Entry]:
    places = list_places(opened.model)

    def scaled_factor(stored: StoredTensor, scale: float) -> Tensor:
        return stored.value() * scale

    def scaled_whole(stored: StoredTensor, name: str) -> Tensor:
        base = places[name].value().float().cpu()
        return base + scales.get(name, 0.0) * (stored.value() - base)

    entries = []
    for full, stored in tuned.checkpoint.tensors.items():
        name = full.removeprefix(ADAPTER_PREFIX)
        end = next((end for end in _UP if name.endswith(end)), None)
        if end is not None:
            scale = scales.get(f"{name.removesuffix(end)}.weight", 0.0)
            value = _later(scaled_factor, stored, scale)
        elif ".lora_" in name or name not in places:
            # A, and copies of the base that PEFT saves beside factors on an embedding.
            value = stored.value
        else:
            value = _later(scaled_whole, stored, name)
        entries.append(_Entry(full, stored.dtype, stored.shape, value))
    return entries


def _model_entries(
    tuned: TunedModel, opened: LanguageModel, scales: Mapping[str, float]
) -> list[_Entry]:
    point = scaled_point(tuned, scales, label="written")
    places = list_places(opened.model)

    def moved(name: str) -> Tensor:
        base = places[name].value()
        change = point.delta(name, base)
        value = base.float().cpu()
        return value if change is None else value + change

    stored = {} if tuned.checkpoint.is_adapter else tuned.checkpoint.tensors
    entries = []
    for name, place in places.items():
        dtype = stored[name].dtype if name in stored else place.value().dtype
        entries.append(_Entry(name, dtype, tuple(place.shape), _later(moved, name)))
    return entries


def _later(make: Callable[..., Tensor], *arguments: object) -> Callable[[], Tensor]:
    """Return a function that makes a tensor on demand; binds the loop's variables now."""

    def value() -> Tensor:
        with torch.no_grad():
            return make(*arguments)

    return value


def _write_shards(folder: Path, entries: list[_Entry]) -> None:
    shards: list[list[_Entry]] = [[]]
    for entry in entries:
        held = sum(each.num_bytes for each in shards[-1])
        if shards[-1] and held + entry.num_bytes > SHARD_BYTES:
            shards.append([])
        shards[-1].append(entry)
    if len(shards) == 1:
        _write(folder / "model.safetensors", shards[0])
        return
    weight_map = {}
    for number, shard in enumerate(shards, start=1):
        file = folder / f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write(file, shard)
        weight_map.update({entry.name: file.name for entry in shard})
    size = sum(entry.num_bytes for entry in entries)
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / _INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _write(path: Path, entries: list[_Entry]) -> None:
    """Write a safetensors file with one tensor at a time in memory."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for entry in entries:
        begin, end = end, end + entry.num_bytes
        header[entry.name] = {
            "dtype": _DTYPE_NAMES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    # The format wants the numbers aligned to 8 bytes.
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for entry in entries:
            value = entry.value().to(entry.dtype).contiguous()
            file.write(value.view(-1).view(torch.uint8).numpy().data)


def _copy_settings(tuned: TunedModel, opened: LanguageModel, folder: Path) -> None:
    """Copy all files of a model folder except its weights."""
    if not tuned.checkpoint.is_adapter:
        _copy_others(tuned.checkpoint.folder, folder)
    elif Path(opened.source).is_dir():
        _copy_others(Path(opened.source), folder)
    else:
        opened.model.config.save_pretrained(folder)
        if opened.model.generation_config is not None:
            opened.model.generation_config.save_pretrained(folder)
        opened.tokenizer.save_pretrained(folder)


def _take_text_config(opened: LanguageModel, config: Path) -> None:
    """Keep the text model's config of a multimodal one, where the text model alone is written."""
    said = read_json(config)
    own = opened.model.config.model_type
    text = said.get("text_config")
    if said.get("model_type") == own or not isinstance(text, dict):
        return
    if text.get("model_type", own) == own:
        text = {**text, "model_type": own, "architectures": [type(opened.model).__name__]}
        config.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")


def _untie_config(opened: LanguageModel, config: Path) -> None:
    """Mark the head as untied in the config, so that loaders do not drop a separate head."""
    heads = getattr(opened.model, "_tied_weights_keys", None) or {}
    if not heads or set(heads) & set(tied_names(opened.model)):
        return
    said = read_json(config)
    said["tie_word_embeddings"] = False
    for nested in said.values():
        if isinstance(nested, dict) and "tie_word_embeddings" in nested:
            nested["tie_word_embeddings"] = False
    config.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _copy_others(source: Path, folder: Path) -> None:
    """Copy what a loader reads beside the weights, further chat templates among it.

    No other weights are copied, such as those of TensorFlow: they are the old ones.
    """
    for name, file in folder_files(source).items():
        if is_weights(name) or name.lower().endswith(_LEFT_BEHIND):
            continue
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)
