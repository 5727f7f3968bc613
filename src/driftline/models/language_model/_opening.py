"""Opens a base model: a folder, a GGUF file, a hub id, or a name that installs from PyPI."""

import contextlib
import io
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedConfig

from ...choices import Dtype, LoadIn
from ...errors import ModelError, first_reason
from ...results import ModelProvenance
from ..checkpoints import (
    OpenedFiles,
    check_gathered,
    check_placed,
    check_unpacked,
    check_wrappers,
    locate_base,
    read_folder,
)
from ._places import execution_device, is_offloaded, list_places
from ._quantised import check_scheme, make_read_only, packing, quantisation_config
from ._tokenizer_fits import check_tokenizer_fits
from ._weights import Weight, config_digest, list_weights, weights_digest


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with its tokenizer, as it was opened.

    The weights are float32 unless asked otherwise, because a half-precision weight cannot hold the
    small changes that fine-tuning makes. They may lie on several devices, in main memory and on
    disk, and may be quantised.
    """

    model: transformers.PreTrainedModel
    tokenizer: transformers.PreTrainedTokenizerBase
    source: str
    revision: str | None
    digest: str
    trust_remote_code: bool = False
    load_in: LoadIn | None = None
    """Quantisation at opening, so that another process can open the same."""
    asked_dtype: torch.dtype | None = None
    """Requested dtype at opening, in which quantised layers compute."""
    files: OpenedFiles = field(default_factory=OpenedFiles, compare=False)
    """The files that it was opened from; none where the model was handed over in memory."""

    @cached_property
    def config_digest(self) -> str:
        """The digest of all that the config says but names, dtype and the version that wrote it."""
        return config_digest(self.model)

    @cached_property
    def weights(self) -> tuple[Weight, ...]:
        """Every weight with its layer and role."""
        return list_weights(self.model)

    @property
    def device(self) -> torch.device:
        """Device of the embedding, which receives the tokens."""
        return execution_device(self.model, self.model.get_input_embeddings())

    @property
    def packing(self) -> str | None:
        """In words, how the linear layers are quantised; None where they are not."""
        return packing(self.model)

    @property
    def is_offloaded(self) -> bool:
        """True if some weights are fetched for each pass, from main memory or from disk."""
        return is_offloaded(self.model)

    @property
    def can_be_merged_into(self) -> bool:
        """True if every weight lies in memory and can take a small step."""
        return not self.is_offloaded and self.packing is None

    def check_unchanged(self) -> None:
        """Check that the weights are bit for bit those that were opened.

        Raises:
            ModelError: They are not.
        """
        if weights_digest(self.model) != self.digest:
            raise ModelError(f"{self.source}: the weights in memory have changed; open it again")

    def provenance(self) -> ModelProvenance:
        """Return the description of this model for documents."""
        held = str(self.model.get_input_embeddings().weight.dtype).removeprefix("torch.")
        return ModelProvenance(
            source=self.source,
            revision=self.revision,
            digest=self.digest,
            architecture=type(self.model).__name__,
            num_parameters=sum(weight.num_elements for weight in self.weights),
            dtype=f"{self.packing}, the rest {held}" if self.packing else held,
        )


@dataclass(frozen=True)
class Placement:
    """Devices of the weights. Default: all on one device, the GPU if there is one."""

    device_map: str | Mapping[str, str | int] | None = None
    """`auto` to fill the GPUs, then main memory, then disk; or module name to device."""
    max_memory: Mapping[str | int, str | int] | None = None
    """The most that `auto` may put on a device, such as `{0: "20GiB", "cpu": "60GiB"}`."""
    offload_folder: Path | None = None
    """For weights that go to disk and cannot be read from the checkpoint's own files as they are."""

    def options(self) -> dict[str, object]:
        """Return the same as arguments of transformers."""
        given = {
            "device_map": self.device_map,
            "max_memory": self.max_memory,
            "offload_folder": self.offload_folder,
        }
        return {key: value for key, value in given.items() if value is not None}


ONE_DEVICE = Placement()


def open_model(
    source: str,
    *,
    trust_remote_code: bool = False,
    dtype: torch.dtype | None = None,
    placement: Placement = ONE_DEVICE,
    load_in: LoadIn | None = None,
) -> LanguageModel:
    """Open a base model and check that it can be trusted to give numbers.

    Args:
        source: A folder with safetensors, a `.gguf` file, `smollm2-135m`, or a hub id with an
            optional `@revision`. Only a hub id touches the network, because the user named it.
        trust_remote_code: Let a checkpoint's own Python code run. Off unless the user says so.
        dtype: The dtype to hold the weights in; float32 if none is given. Weights that load_in
            packs are computed with in this dtype too; in bfloat16 if none is given.
        placement: Devices of the weights.
        load_in: Quantise the linear layers as they are loaded. Such a base is read-only: points
            are held beside it.

    Returns:
        The model in evaluation mode.

    Raises:
        ModelError: No such model, a pickle, a truncated or corrupt file, weights that are missing
            or not finite, a tokenizer that is missing or does not fit, a quantisation that is not
            supported, or too little memory.
    """
    result = locate_base(source, runs_code=trust_remote_code)
    location, gguf_file, revision = str(result.folder), result.gguf_file, result.revision
    files = OpenedFiles.take(result.files, result.strays)
    options: dict[str, object] = {"trust_remote_code": trust_remote_code}
    if gguf_file is not None:
        options["gguf_file"] = gguf_file
    with quiet_loading(), contextlib.ExitStack() as stack:
        if gguf_file is not None:
            # Its conversion draws bars of its own, a tensor at a time, and nobody can turn them off.
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        tokenizer = load_tokenizer(location, source=source, options=options)
        if gguf_file is None:
            config = _config(location, source)
            check_scheme(config, source=source, load_in=load_in)
            if not config.get("quantization_config"):
                check_unpacked(read_folder(result.folder).tensors, source)
        elif load_in is not None:
            raise ModelError(
                f"{source}: a GGUF file opens dequantised; load_in (--load-in) takes a folder with "
                "safetensors or a hub id"
            )
        options.update(placement.options(), dtype=dtype or torch.float32)
        if load_in is not None:
            options["quantization_config"] = quantisation_config(load_in, dtype or torch.bfloat16)
        model = load_weights(location, source=source, options=options)
    if gguf_file is not None:
        _forget_quantisation(model)
    _check_finite(model, source)
    check_tokenizer_fits(tokenizer, model, source, is_gguf=gguf_file is not None)
    model.eval()
    if packing(model) is not None:
        make_read_only(model, source)
    elif torch.cuda.is_available() and placement.device_map is None:
        _move_to_gpu(model, source)
    digest = weights_digest(model)
    return LanguageModel(
        model, tokenizer, source, revision, digest, trust_remote_code, load_in, dtype, files
    )


def named_dtype(name: Dtype | None) -> torch.dtype | None:
    """Return the dtype of a name; None for None."""
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, None: None}[name]


def load_tokenizer(
    location: str, *, source: str, options: dict[str, object]
) -> transformers.PreTrainedTokenizerBase:
    """Open a tokenizer without its model; a ModelError names `source` if that fails."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(location, **options)
    except Exception as error:
        _check_own_code(error, source)
        # The config is read on the way to the tokenizer, and says which field is wrong.
        if type(error).__name__.startswith("StrictDataclass"):
            raise ModelError(
                f"{source}: its config.json cannot be read ({first_reason(error)}); correct the "
                "field, or save it again"
            ) from error
        raise ModelError(
            f"{source}: its tokenizer cannot be opened ({first_reason(error)}); save it beside the "
            "model with tokenizer.save_pretrained(...)"
        ) from error
    if not isinstance(tokenizer.model_max_length, int | float):
        raise ModelError(f"{source}: model_max_length of its tokenizer is not a number; remove it")
    return tokenizer


def load_weights(
    location: str, *, source: str, options: dict[str, object]
) -> transformers.PreTrainedModel:
    """Load a causal language model, without its tokenizer."""
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            location, output_loading_info=True, **options
        )
    except Exception as error:
        _check_own_code(error, source)
        _check_memory(error, source)
        _check_family(error, source)
        if "dispatched on the CPU or the disk" in str(error):
            raise ModelError(
                f"{source}: quantised layers compute where they lie, and the GPUs cannot hold them "
                "all; raise max_memory, take 4 bits, or open it unquantised"
            ) from error
        if "gguf_file" not in options:
            check_gathered(read_folder(Path(location)).tensors)
        raise ModelError(
            f"{source}: cannot be opened ({first_reason(error)}); check the name, and that the "
            "files are whole"
        ) from error
    if "gguf_file" not in options:
        _check_unplaced(model, sorted(report["unexpected_keys"]), location, source)
    _check_complete(model, sorted(report["missing_keys"]), source)
    return model


def _check_unplaced(
    model: transformers.PreTrainedModel, unplaced: Sequence[str], location: str, source: str
) -> None:
    """Refuse a model that needs tensors which transformers passed over."""
    check_wrappers(unplaced, source)
    if unplaced:
        further = getattr(model.config, "num_nextn_predict_layers", None)
        check_placed(
            unplaced,
            model.state_dict(),
            read_folder(Path(location)).tensors,
            source=source,
            num_more_layers=further or 0,
        )


def _check_complete(
    model: transformers.PreTrainedModel, missing: Sequence[str], source: str
) -> None:
    """Refuse a model of which transformers drew weights at random, for the files lack them."""
    if not missing:
        return
    heads = getattr(model, "_tied_weights_keys", None) or {}
    if all(name in heads for name in missing) and not getattr(model, "all_tied_weights_keys", {}):
        raise ModelError(
            f"{source}: the files lack {missing[0]} and config.json says tie_word_embeddings false, "
            "so transformers would draw it at random; set tie_word_embeddings to true if the model "
            "was tuned with its head tied to the embedding, else save it again with its head"
        )
    raise ModelError(
        f"{source}: the checkpoint lacks {missing[0]} ({len(missing)} tensors in all); "
        "config.json and the weights do not belong together"
    )


def _config(location: str, source: str) -> dict[str, object]:
    """Read the checkpoint's config.json."""
    try:
        result: dict[str, object] = PreTrainedConfig.get_config_dict(location)[0]
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{source}: cannot be opened ({first_reason(error)}); check the name, and that the "
            "files are whole"
        ) from error
    return result


def _move_to_gpu(model: transformers.PreTrainedModel, source: str) -> None:
    try:
        model.to("cuda")
    except torch.OutOfMemoryError as error:
        _check_memory(error, source)


def _forget_quantisation(model: transformers.PreTrainedModel) -> None:
    """Remove the leftovers of GGUF from a dequantised model; they stop training and saving."""
    if getattr(model.config, "quantization_config", None) is not None:
        model.hf_quantizer = None
        model.is_quantized = False
        del model.config.quantization_config


def _check_finite(model: torch.nn.Module, source: str) -> None:
    for name, place in list_places(model).items():
        value = place.value()
        # A sum is one cheap pass, and NaN or infinity cannot hide in it.
        if not torch.isfinite(value.sum()) and not torch.isfinite(value).all():
            raise ModelError(
                f"{source}: tensor {name} holds NaN or infinity; the checkpoint is broken, take an "
                "earlier one"
            )


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Silence progress bars and notices of loading, which takes seconds."""
    logger, placing = transformers.utils.logging, logging.getLogger("accelerate.big_modeling")
    verbosity, bars = logger.get_verbosity(), logger.is_progress_bar_enabled()
    placing_level = placing.level
    logger.set_verbosity_error()
    logger.disable_progress_bar()
    placing.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.set_verbosity(verbosity)
        placing.setLevel(placing_level)
        if bars:
            logger.enable_progress_bar()


def _check_own_code(error: Exception, source: str) -> None:
    if "trust_remote_code" in str(error):
        raise ModelError(
            f"{source}: needs Python code of its own, which does not run unless you trust it with "
            "trust_remote_code"
        ) from error


def _check_family(error: Exception, source: str) -> None:
    """Refuse a model that transformers does not list as a causal language model."""
    named = re.search(r"Unrecognized configuration class <class '(?:\w+\.)*(\w+)'>", str(error))
    if named is not None:
        family = named[1].removesuffix("Config")
        raise ModelError(
            f"{source}: is a {family} model, which transformers does not open as a causal language "
            "model; take a decoder-only one"
        ) from error


def _check_memory(error: Exception, source: str) -> None:
    # Main memory has no exception of its own in torch, only this text.
    is_short = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if is_short or "can't allocate memory" in str(error):
        raise ModelError(
            f"{source}: does not fit into memory ({first_reason(error)}); spread it with "
            "device_map (--device-map auto), halve it with dtype (--dtype bfloat16), or quantise "
            "it with load_in (--load-in 4bit)"
        ) from error
