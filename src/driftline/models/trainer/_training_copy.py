"""The copy of the base that is trained, held as TRL would have loaded it.

TRL loads the weights in the config's dtype, so a run in bfloat16 rounds every step to bfloat16. The base
that points are evaluated at stays as it was opened, in float32: the change that a run makes is its
weights minus that base, so that base plus change is exactly what the run holds.
"""

import copy
import json
import re
import struct
from pathlib import Path

import torch
import transformers

from ...errors import ConfigError
from ..language_model import LanguageModel
from .config import TrainingConfig, one_line

_DTYPES = {
    "bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32,
    "BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64,
}  # fmt: skip


def training_copy(opened: LanguageModel, config: TrainingConfig) -> transformers.PreTrainedModel:
    """Copy the base for training, in the dtype and with the attention that the config asks for.

    Args:
        opened: The base; it is not changed.
        config: The user's config. Where it names no dtype, the copy is held as the base is.

    Raises:
        ConfigError: The attention cannot be used here, or the dtype cannot be told.
    """
    model = copy.deepcopy(opened.model)
    options = config.model_options()
    if options.get("dtype") is not None and opened.packing is None:
        _hold_in(model, _dtype(opened, config, str(options["dtype"])))
    attention = options.get("attn_implementation")
    if attention is not None:
        try:
            model.set_attn_implementation(attention)
        except Exception as error:  # kernels have exceptions of their own
            raise ConfigError(
                f"{config.name}: attn_implementation: {attention} cannot be used here "
                f"({one_line(error)}); write attn_implementation: sdpa"
            ) from error
    return model


def _hold_in(model: transformers.PreTrainedModel, dtype: torch.dtype) -> None:
    """Cast the weights to a dtype, except those that the architecture loads in float32."""
    kept = set(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    if dtype == torch.float16:
        kept |= set(getattr(model, "_keep_in_fp32_modules", None) or ())
    pattern = (
        re.compile("|".join(rf"((^|\.){name}($|\.))" for name in sorted(kept))) if kept else None
    )
    saved = model.state_dict().keys()
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if name in saved and tensor.is_floating_point():
                stays = pattern is not None and pattern.search(name)
                tensor.data = tensor.data.to(torch.float32 if stays else dtype)
    for part in (model.config, *(getattr(model.config, key) for key in model.config.sub_configs)):
        part.dtype = dtype


def _dtype(opened: LanguageModel, config: TrainingConfig, name: str) -> torch.dtype:
    """Return the dtype of a name; for `auto`, that of the checkpoint's config or first weight."""
    if name != "auto":
        return _DTYPES[name]
    result, folder = None, Path(opened.source)
    if (folder / "config.json").is_file():
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        result = said.get("dtype") or said.get("torch_dtype") or _first_dtype(folder)
    elif opened.revision is not None or ("/" in opened.source and not folder.exists()):
        values, _ = transformers.PreTrainedConfig.get_config_dict(
            opened.source.partition("@")[0], revision=opened.revision
        )
        result = values.get("dtype") or values.get("torch_dtype")
    dtype = _DTYPES.get(str(result).removeprefix("torch."))
    if dtype is None:
        raise ConfigError(
            f"{config.name}: dtype: auto: {opened.source} does not say in what its weights are held; "
            "write bfloat16 or float32"
        )
    return dtype


def _first_dtype(folder: Path) -> str | None:
    """Return the dtype of the first floating-point weight of a folder's first file."""
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as content:
            (size,) = struct.unpack("<Q", content.read(8))
            header = json.loads(content.read(size))
        entries = (value["dtype"] for key, value in header.items() if key != "__metadata__")
        return next((dtype for dtype in entries if dtype in _DTYPES), None)
    return None
