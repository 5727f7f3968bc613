"""Names of the files that make up a model folder, as transformers and PEFT read it.

One place decides which files belong to a model. Scoring, certificates and verification share it, so a
file that a loader would read is either a subject of the certificate or a fault.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

CONFIG = "config.json"
SINGLE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
TOKENIZER_CONFIG = "tokenizer_config.json"
MORE_TEMPLATES = "additional_chat_templates"
"""A sub-folder that loaders read: its templates are as good as `chat_template.jinja`."""
OWN_GENERATION = "custom_generate"
"""A sub-folder whose Python code takes the place of `generate` where it is trusted."""

VOCABULARIES = (
    "vocab.json", "vocab.txt", "merges.txt", "spiece.model", "spm.model", "spm_char.model",
    "sentencepiece.model", "sentencepiece.bpe.model", "tiktoken.model", "bpe.codes", "dict.txt",
    "emoji.json", "normalizer.json", "byte_maps.json", "entity_vocab.json", "prophetnet.tokenizer",
    "vocab-src.json", "vocab-tgt.json", "target_vocab.json", "word_shape.json",
    "word_pronunciation.json",
)  # fmt: skip
"""Files from which transformers builds tokenizers, beside those named tokenizer*."""
PROCESSORS = (
    "processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json",
    "audio_tokenizer_config.json",
)  # fmt: skip
"""Settings of processors; the chat template of a processor takes the place of the tokenizer's."""
CODE_CONFIGS = (CONFIG, TOKENIZER_CONFIG, *PROCESSORS)
"""Files that may name Python code, by which a loader that trusts it replaces its own."""
_CODE_KEYS = frozenset({"auto_map", "impl", "model_file"})
"""Keys under which they name it: classes, custom pipelines, and models for MLX."""
QUANTISATIONS = (
    "hf_quant_config.json", "quantize_config.json", "quant_config.json",
    "quantization_config.json", "quant_model_description.json",
)  # fmt: skip
"""From these, vLLM and its like take a model for a quantised one, whatever config.json says."""
_SETTINGS = frozenset({
    CONFIG, INDEX, ADAPTER_CONFIG, TOKENIZER_CONFIG, *VOCABULARIES, *PROCESSORS, *QUANTISATIONS,
    "generation_config.json", "tokenizer.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "chat_template.json",
})  # fmt: skip
"""Files without weights that loaders read where they exist, by their names."""
_SETTINGS_PATTERN = re.compile(
    r"tokenizer\..*\.json|tokenizer\.model.*|.*tekken.*\.json|.*\.tiktoken"
)
"""Tokenizers by version, and those of Mistral and tiktoken."""
_NESTED_PATTERN = re.compile(rf"{MORE_TEMPLATES}/[^/\\]+\.jinja|{OWN_GENERATION}/[^/\\]+\.py")
"""Further templates, and code that generates."""

_WEIGHTS = (
    ".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".npz",
    ".onnx",
)  # fmt: skip
"""Ends of names that some loader takes for weights."""
_TRAINER_STATE = re.compile(
    r"(training_args|optimizer|scheduler|scaler|sampler|rng_state|random_states|dl_state_dict"
    r"|custom_checkpoint)[^.]*\.(bin|pt|pth|pkl)"
)
"""Files in which trainers keep their own state; no loader takes them for weights."""


def is_weights(name: str) -> bool:
    """Tell whether some loader would take a file of this name for weights.

    >>> is_weights("model_ema.safetensors"), is_weights("optimizer.pt"), is_weights("README.md")
    (True, False, False)

    Args:
        name: The file's plain name.

    Returns:
        True for every weight format, also those that transformers passes over; False for the
        state of a trainer.
    """
    lower = name.lower()
    return lower.endswith(_WEIGHTS) and not _TRAINER_STATE.fullmatch(lower)


def is_settings(name: str) -> bool:
    """Tell whether loaders read a file of this name beside the weights.

    >>> is_settings("tokenizer.json"), is_settings("trainer_state.json")
    (True, False)

    Args:
        name: As `folder_files` gives it.

    Returns:
        True for configs, the index of shards, and everything that a tokenizer or processor is made from.
    """
    return name in _SETTINGS or is_nested(name) or _SETTINGS_PATTERN.fullmatch(name) is not None


def is_nested(name: str) -> bool:
    """Tell whether a name is that of a file in a sub-folder that loaders read.

    >>> is_nested("additional_chat_templates/tool_use.jinja"), is_nested("checkpoint-5/config.json")
    (True, False)

    Args:
        name: As `folder_files` gives it.

    Returns:
        True for `additional_chat_templates/<name>.jinja` and `custom_generate/<name>.py` alone.
    """
    return _NESTED_PATTERN.fullmatch(name) is not None


def folder_files(folder: Path) -> dict[str, Path]:
    """List the files of a folder that a loader could read.

    Args:
        folder: A model's or an adapter's folder.

    Returns:
        Paths by name: plain names, and those of `is_nested`.

    Raises:
        OSError: The folder cannot be read.
    """
    result = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    nested = sorted(folder.glob(f"{MORE_TEMPLATES}/*")) + sorted(folder.glob(f"{OWN_GENERATION}/*"))
    names = {f"{path.parent.name}/{path.name}": path for path in nested if path.is_file()}
    return result | {name: path for name, path in names.items() if is_nested(name)}


def certified_name(path: Path) -> str:
    """Name a file as a certificate does, by its place in the model's folder.

    Args:
        path: One of `folder_files`.

    Returns:
        The plain name, or that of a nested file with its sub-folder.
    """
    nested = f"{path.parent.name}/{path.name}"
    return nested if is_nested(nested) else path.name


def setting_files(
    names: Iterable[str], *, is_adapter: bool = False, runs_code: bool = False
) -> tuple[str, ...]:
    """Pick the files that are read beside a model's or an adapter's weights.

    Args:
        names: Plain names of the files in the folder.
        is_adapter: The folder holds an adapter; the index of a whole model's shards is not read there.
            Its config.json is: loaders choose the class of the tokenizer by it.
        runs_code: The folder's own Python code counts: it is trusted, or a config names it.

    Returns:
        The names, sorted.
    """
    unread = {INDEX, "generation_config.json"} if is_adapter else set()
    return tuple(
        sorted(
            name
            for name in names
            if (is_settings(name) and name not in unread) or (runs_code and name.endswith(".py"))
        )
    )


def code_references(content: object) -> tuple[str, ...]:
    """List the Python code that a config names, at any depth.

    >>> code_references({"auto_map": {"AutoModel": "own.Model", "AutoTokenizer": ["own.Slow", None]}})
    ('own.Model', 'own.Slow')

    Args:
        content: What the config holds.

    Returns:
        As it is written: `file.Class`, with `place--` before it where the code lies elsewhere.
    """
    return tuple(dict.fromkeys(_references(content, is_named=False)))


def _references(value: object, *, is_named: bool) -> Iterator[str]:
    if isinstance(value, str):
        if is_named and "." in value:
            yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _references(inner, is_named=is_named or key in _CODE_KEYS)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, is_named=is_named)


def is_elsewhere(reference: str) -> bool:
    """Tell whether code lies outside of the folder that names it, or in a folder within.

    >>> is_elsewhere("owner/name--own.Model"), is_elsewhere("own.Model")
    (True, False)

    Args:
        reference: As `code_references` gives it.

    Returns:
        True unless it lies beside the config.
    """
    return any(mark in reference for mark in ("--", "/", "\\"))


def unlisted_files(
    names: Iterable[str], listed: Collection[str], *, runs_code: bool = False
) -> tuple[str, ...]:
    """Pick the files that a loader could read and that a list does not name.

    Args:
        names: Plain names of the files in the folder.
        listed: Names of the files that are known: those that were read, or certified.
        runs_code: As for `setting_files`.

    Returns:
        The names, sorted: weights first, then settings.
    """
    unlisted = sorted(set(names) - set(listed))
    is_adapter = ADAPTER_CONFIG in listed
    settings = setting_files(unlisted, is_adapter=is_adapter, runs_code=runs_code)
    return (*(name for name in unlisted if is_weights(name)), *settings)


def redirecting_files(
    names: Iterable[str], listed: Collection[str], *, runs_code: bool = False
) -> tuple[str, ...]:
    """Pick the files that transformers itself would read and that a list does not name.

    Other weights are no such files: transformers passes them over beside those that are listed.

    Args:
        names: Plain names of the files in the folder.
        listed: Names of the files that are known.
        runs_code: As for `setting_files`.

    Returns:
        The names, sorted.
    """
    unlisted = unlisted_files(names, listed, runs_code=runs_code)
    return tuple(
        name
        for name in unlisted
        if is_settings(name) or name == SINGLE_FILE or name.endswith(".py")
    )
