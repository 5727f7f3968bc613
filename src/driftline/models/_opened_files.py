"""The files that a model was opened from, with the digests that they had then."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ModelError
from ..model_files import setting_files
from ..provenance import digest_file


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

    def check_unchanged(self) -> None:
        """Prove that the files still hold what was opened.

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

    Args:
        folder: A model's or an adapter's folder.
        is_adapter: It holds an adapter.
        runs_code: The folder's own Python code is trusted.

    Returns:
        The files that exist, sorted by name.
    """
    names = (path.name for path in folder.iterdir() if path.is_file())
    found = setting_files(names, is_adapter=is_adapter, runs_code=runs_code)
    return tuple(folder / name for name in found)


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None
