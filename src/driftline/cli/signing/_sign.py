"""`sign`: a certificate of a certification document."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ...extras import require_extra
from ...questions import check_free, read_as, write_file
from ..options import PassphraseOption, passphrase_from


def sign(
    document: Annotated[
        Path,
        typer.Argument(metavar="CERTIFICATION", help="certification.json, as certify writes it."),
    ],
    key: Annotated[Path, typer.Option("--key", help="The private key that keygen made.")],
    out: Annotated[Path, typer.Option("--out", help="Where the certificate goes.")] = Path(
        "certificate.json"
    ),
    valid_days: Annotated[
        int, typer.Option("--valid-days", min=1, max=3650, help="When it expires.")
    ] = 365,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", help="A file whose digest is certified too, as a model.sig."),
    ] = None,
    passphrase_env: PassphraseOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is at --out.")] = False,
) -> None:
    """Sign what was found, for exactly these files, so that others can check it offline."""
    require_extra("signing")
    check_free(out, force=force)
    passphrase = passphrase_from(passphrase_env)
    # Loads cryptography and numpy, so not for --help.
    from driftline.certificates import (
        file_digest,
        key_id,
        parse_json,
        read_private_key,
        sign_certification,
    )

    private = read_as(key, lambda pem: read_private_key(pem, passphrase=passphrase))
    subject = None if manifest is None else file_digest(manifest)

    def signed(content: bytes) -> bytes:
        return sign_certification(
            parse_json(content),
            private,
            issued=datetime.now(UTC),
            valid_days=valid_days,
            manifest=subject,
        )

    write_file(out, read_as(document, signed), force=force)
    typer.echo(f"certificate: {out}")
    typer.echo(f"signed by {key_id(private.public_key())}, for {valid_days} days")
