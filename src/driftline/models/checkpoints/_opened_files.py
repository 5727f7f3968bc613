"""The files that a model was opened from, with the digests that they had then."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transformers.dynamic_module_utils import get_relative_import_files

from ...errors import ModelError
from ...model_files import (
    CODE_CONFIGS,
    CONFIG,
    TOKENIZER_CONFIG,
    certified_name,
    code_references,
    folder_files,
    is_elsewhere,
    is_nested,
    is_settings,
    setting_files,
)
from ...provenance import digest_file
from ._checkpoint import read_json

_VERSIONS = "fast_tokenizer_files"
"""The key that lists tokenizers by the version of transformers that they are for."""


@dataclass(frozen=True)
class OpenedFiles:
    """Digests by file, taken before any library read the files."""

    digests: Mapping[Path, str] = field(default_factory=dict)
    strays: tuple[str, ...] = ()
    """Names of files with other weights in the same folder; they were never read."""

    @classmethod
    def take(cls, files: Iterable[Path], strays: tuple[str, ...] = ()) -> "OpenedFiles":
        """Digest files before they are opened.

        Cost: one pass over the files at the speed of SHA-256.

        Args:
            files: The files; one that is listed twice counts once.
            strays: Names of files with other weights beside them.

        Returns:
            Their digests, in the given order.

        Raises:
            ModelError: A file cannot be read.
        """
        return cls({path: _digest(path) for path in dict.fromkeys(files)}, strays)

    def code(self) -> tuple[str, ...]:
        """List the Python code that their configs name.

        Returns:
            As `code_references`, of all configs together.

        Raises:
            ModelError: A config cannot be read.
        """
        configs = [path for path in self.digests if path.name in CODE_CONFIGS]
        named = [name for path in configs for name in code_references(read_json(path))]
        return tuple(dict.fromkeys(named))

    def code_files(self) -> dict[str, str]:
        """Return the digests of the Python files by the names that certificates give them."""
        named = {certified_name(path): digest for path, digest in self.digests.items()}
        return {name: digest for name, digest in named.items() if name.endswith(".py")}

    def code_that_runs(self) -> frozenset[str]:
        """Find the Python files that loaders may run: those that configs name, what they import, and nested ones.

        Nothing is run: imports are found in the text, as transformers finds them.

        Returns:
            Names as `code_files` has them.
        """
        paths = {certified_name(path): path for path in self.digests if path.suffix == ".py"}
        names = {name for name in paths if is_nested(name)}
        for reference in self.code():
            name = f"{reference.rpartition('--')[2].partition('.')[0]}.py"
            if name in paths:
                imported = get_relative_import_files(paths[name])
                names |= {name, *(Path(each).name for each in imported)}
        return frozenset(names)

    def check_unchanged(self) -> None:
        """Check that the files still hold what was opened.

        Cost: as `take`.

        Raises:
            ModelError: A file was changed, replaced or deleted in the meantime.
        """
        for path, digest in self.digests.items():
            if not path.is_file() or _digest(path) != digest:
                raise ModelError(
                    f"{path}: was changed or replaced while it was in use, so the result may stand "
                    "for other weights; run the command again when nothing writes into the folder"
                )


def companions(
    folder: Path, *, is_adapter: bool = False, runs_code: bool = False
) -> tuple[Path, ...]:
    """List the files that loaders read beside the weights: tokenizer, templates, generation config.

    The folder's own Python code is among them where it is trusted, and where a config names it: a
    loader that trusts it runs it.

    Args:
        folder: A model's or an adapter's folder.
        is_adapter: It holds an adapter.
        runs_code: The folder's own Python code is trusted.

    Returns:
        The files that exist, sorted by name.

    Raises:
        ModelError: The tokenizer's config sends transformers to a file of another name or folder;
            code that is trusted lies in another folder; a config cannot be read.
    """
    held = folder_files(folder)
    if TOKENIZER_CONFIG in held:
        _refuse_other_tokenizer(held[TOKENIZER_CONFIG])
    named = {name: code_references(read_json(held[name])) for name in CODE_CONFIGS if name in held}
    if runs_code:
        for name in (CONFIG, TOKENIZER_CONFIG):
            _refuse_code_elsewhere(folder / name, named.get(name, ()))
    counts = runs_code or any(named.values())
    result = setting_files(held, is_adapter=is_adapter, runs_code=counts)
    return tuple(held[name] for name in result)


def _refuse_code_elsewhere(config: Path, named: Iterable[str]) -> None:
    """Refuse code that would run and that no digest of this folder's files covers."""
    for reference in named:
        if is_elsewhere(reference):
            raise ModelError(
                f"{config}: names the code {reference!r}, which does not lie beside it, so it could "
                "change unnoticed; copy the .py into the folder and write file.Class"
            )


def _refuse_other_tokenizer(config: Path) -> None:
    """Refuse tokenizers by version under names by which nobody could tell what they are."""
    try:
        if _VERSIONS.encode() not in config.read_bytes():
            return
    except OSError as error:
        raise ModelError(f"{config}: cannot be read ({error.strerror})") from None
    named = read_json(config).get(_VERSIONS)
    for name in named if isinstance(named, list) else ():
        if "/" in str(name) or "\\" in str(name) or not is_settings(str(name)):
            raise ModelError(
                f"{config}: {_VERSIONS} sends transformers to {name!r}, which is not a plain name such "
                "as tokenizer.4.0.0.json; save the tokenizer again with save_pretrained(...)"
            )


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None
