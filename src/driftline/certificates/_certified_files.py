"""Are these the files that were certified? Hashed as a stream, whatever their size."""

from collections.abc import Mapping
from pathlib import Path

from ..errors import CertificateError
from ..model_files import (
    ADAPTER_CONFIG,
    CODE_CONFIGS,
    CONFIG,
    code_references,
    folder_files,
    is_weights,
    redirecting_files,
    unlisted_files,
)
from ..parsing import NotJsonError, json_value
from ..provenance import digest_file
from ._certification import FileDigest


def file_digest(path: Path) -> FileDigest:
    """Return the plain name and the digest of a file.

    Args:
        path: The file; read as a stream.

    Returns:
        The file's entry in a certificate.

    Raises:
        CertificateError: It cannot be read.
    """
    return FileDigest(name=path.name, sha256=_digest(path))


def file_faults(
    certified: Mapping[str, str], place: Path, *, others_are_faults: bool = True
) -> tuple[str, ...]:
    """List in what a folder differs from the files that were certified.

    Files that were not certified are faults too where a loader would read them: weights, since
    some loader might prefer them, settings such as an index or a chat template, and Python code where
    a config names any. Other files (a README, a signature, the state of a trainer) are not. Of folders within, only those of further chat
    templates and of code that generates are looked into, as loaders do.

    Cost: one pass over the certified files, at the speed of the disk; memory for a megabyte.

    Args:
        certified: SHA-256 in hex, by plain name.
        place: The folder, or the one file.
        others_are_faults: True if weights count that transformers itself ignores beside the
            certified ones. They do for the tuned model, whose certificate it is.

    Returns:
        A sentence for each file that is missing, changed, or not certified.

    Raises:
        CertificateError: There is no such place, or a file cannot be read.
    """
    if place.is_dir():
        held = folder_files(place)
    elif place.is_file():
        held = {place.name: place}
    else:
        raise CertificateError(f"{place}: no such folder or file")
    faults = []
    for name, requested in certified.items():
        if name not in held:
            faults.append(f"{name} is missing")
        elif (result := _digest(held[name])) != requested:
            faults.append(f"{name} was changed: its SHA-256 is {result}, certified was {requested}")
    runs_code = _names_code(held)
    if others_are_faults:
        others = unlisted_files(held, certified, runs_code=runs_code)
    elif _is_folder(certified):
        others = redirecting_files(held, certified, runs_code=runs_code)
    else:
        others = ()
    for name in others:
        kind = "holds weights that were" if is_weights(name) else "would be read and was"
        faults.append(f"{name} {kind} not certified")
    return tuple(faults)


def _is_folder(certified: Mapping[str, str]) -> bool:
    """Tell whether a model folder was certified, not a single GGUF file."""
    return CONFIG in certified or ADAPTER_CONFIG in certified


def _names_code(held: Mapping[str, Path]) -> bool:
    """Tell whether a config names Python code; one that cannot be read might."""
    for name in CODE_CONFIGS:
        try:
            if name in held and code_references(json_value(held[name].read_bytes(), finite=False)):
                return True
        except (OSError, NotJsonError):
            return True
    return False


def _digest(path: Path) -> str:
    try:
        return digest_file(path).removeprefix("sha256:")
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read ({error.strerror})") from None
