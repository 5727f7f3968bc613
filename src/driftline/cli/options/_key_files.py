"""The passphrase of a private key."""

import os
from typing import Annotated

import typer

from ...errors import ConfigError

PassphraseOption = Annotated[
    str | None,
    typer.Option(
        "--passphrase-env",
        metavar="NAME",
        help="The environment variable with the private key's passphrase.",
    ),
]


def passphrase_from(name: str | None) -> bytes | None:
    """Read the passphrase in an environment variable.

    Args:
        name: The variable; None where there is no passphrase.

    Raises:
        ConfigError: The variable is empty, or not set.
    """
    if name is None:
        return None
    passphrase = os.environ.get(name, "")
    if not passphrase:
        raise ConfigError(f"--passphrase-env: the environment variable {name} is empty or not set")
    return os.fsencode(passphrase)
