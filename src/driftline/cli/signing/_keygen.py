"""`keygen`: a pair of keys to sign certificates with."""

from pathlib import Path
from typing import Annotated

import typer

from ...errors import OutputError
from ...extras import require_extra
from ...questions import check_free, write_file
from ..options import PassphraseOption, passphrase_from


def keygen(
    out: Annotated[Path, typer.Option("--out", help="Folder for private.pem and public.pem.")],
    passphrase_env: PassphraseOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace keys that are there.")] = False,
) -> None:
    """Make a pair of Ed25519 keys: private.pem signs, public.pem is for those who verify."""
    require_extra("signing")
    passphrase = passphrase_from(passphrase_env)
    private, public = out / "private.pem", out / "public.pem"
    check_free(private, public, force=force)
    # Loads cryptography, so not for --help.
    from driftline.certificates import generate_key, key_id, private_key_pem, public_key_pem

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror})") from None
    key = generate_key()
    # After a kill in between there is no public key, rather than one of another pair.
    if force:
        public.unlink(missing_ok=True)
    write_file(private, private_key_pem(key, passphrase=passphrase), force=force, mode=0o600)
    write_file(public, public_key_pem(key.public_key()), force=force)
    typer.echo(f"{private}: keep it to yourself")
    typer.echo(f"{public}: give it to those who verify, on another way than certificates")
    typer.echo(f"key id: {key_id(key.public_key())}")
