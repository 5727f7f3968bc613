"""`verify`: does a certificate hold, and for these files?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import JsonOption, read_as

if TYPE_CHECKING:
    from driftline.certificates import AskedSuite
    from driftline.results import CertificationPolicy

_EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}


def verify(
    certificate: Annotated[
        Path, typer.Argument(metavar="CERTIFICATE", help="certificate.json, as sign writes it.")
    ],
    key: Annotated[
        Path, typer.Option("--key", help="The public key that you trust, from another source.")
    ],
    model: Annotated[
        Path | None, typer.Option("--model", help="The tuned model's folder, or its one file.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option("--base", help="The base's folder, or its one file.")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", help="A suite that it must be about, as certify takes it."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="The file that was signed with --manifest.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="A policy whose rules the claims must keep to.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check a certificate offline; exit code 0 only for a verdict of pass with all checks passed."""
    # Loads cryptography and numpy, so not for --help.
    from driftline.certificates import Evidence, read_public_key, verify_certificate
    from driftline.results import verification_summary

    trusted = read_as(key, read_public_key)
    said = None if policy is None else _policy(policy)
    suites = _suites(suite or (), said)
    evidence = Evidence(model, base, manifest, suites, said)
    found = verify_certificate(
        read_as(certificate, bytes), trusted, now=datetime.now(UTC), evidence=evidence
    )
    typer.echo(found.to_json() if json else verification_summary(found), nl=False)
    raise typer.Exit(_EXIT_CODES[found.verdict])


def _policy(path: Path) -> "CertificationPolicy":
    """The rules of the file that is given."""
    from driftline.capabilities import read_policy

    return read_policy(path)


def _suites(names: Sequence[str], policy: "CertificationPolicy | None") -> "tuple[AskedSuite, ...]":
    """The suites as the policy wants them, where there is one."""
    if not names:
        return ()
    from driftline.capabilities import governed, read_suite
    from driftline.certificates import AskedSuite, WatchedCapability

    found = []
    for name in names:
        suite = read_suite(name)
        wanted = (governed(capability, policy) for capability in suite.capabilities)
        found.append(
            AskedSuite(
                name=name,
                digest=suite.provenance().digest,
                capabilities=tuple(
                    WatchedCapability(c.name, c.tolerance, c.required) for c in wanted
                ),
            )
        )
    return tuple(found)
