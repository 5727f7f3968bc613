"""Are these the files that were certified? Hashed as a stream, whatever their size."""

from collections.abc import Mapping
from pathlib import Path

from ..errors import CertificateError
from ..provenance import digest_file
from ._certification import FileDigest

_WEIGHTS = (
    ".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".npz",
    ".onnx",
)  # fmt: skip
"""What some loader would take for weights."""

_TRAINER_STATE = ("training_args", "optimizer", "scheduler", "scaler", "rng_state")
"""Beginnings of names that trainers give to what no loader takes for weights."""


def file_digest(path: Path) -> FileDigest:
    """The plain name and the digest of a file.

    Args:
        path: The file; read as a stream.

    Returns:
        What stands in a certificate about it.

    Raises:
        CertificateError: It cannot be read.
    """
    return FileDigest(name=path.name, sha256=_digest(path))


def file_faults(certified: Mapping[str, str], place: Path) -> tuple[str, ...]:
    """In what a folder differs from the files that were certified.

    Weights that were not certified are faults too, since a loader might prefer them; other files
    (a README, a signature, the state of a trainer) are not. Folders within are not looked into.
    Cost: one pass over the certified files, at the speed of the disk; memory for a megabyte.

    Args:
        certified: SHA-256 in hex, by plain name.
        place: The folder, or the one file.

    Returns:
        A sentence for each file that is missing, changed, or there beside them.

    Raises:
        CertificateError: There is no such place, or a file cannot be read.
    """
    if place.is_dir():
        held = {path.name: path for path in sorted(place.iterdir()) if path.is_file()}
    elif place.is_file():
        held = {place.name: place}
    else:
        raise CertificateError(f"{place}: no such folder or file")
    faults = []
    for name, wanted in certified.items():
        if name not in held:
            faults.append(f"{name} is missing")
        elif (found := _digest(held[name])) != wanted:
            faults.append(f"{name} was changed: its SHA-256 is {found}, certified was {wanted}")
    faults += [
        f"{name} holds weights that were not certified"
        for name in held
        if name not in certified and _is_weights(name)
    ]
    return tuple(faults)


def _is_weights(name: str) -> bool:
    return name.lower().endswith(_WEIGHTS) and not name.startswith(_TRAINER_STATE)


def _digest(path: Path) -> str:
    try:
        return digest_file(path).removeprefix("sha256:")
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read ({error.strerror})") from None
