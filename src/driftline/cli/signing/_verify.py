"""`verify`: a check that a certificate holds, for these files."""

from pathlib import Path
from typing import Annotated

import typer

from ...questions import verify as question
from .._question_command import Shown, question_command

verify = question_command(
    question,
    Shown(
        {
            "certificate": Annotated[
                Path,
                typer.Argument(metavar="CERTIFICATE", help="certificate.json, as sign writes it."),
            ],
            "key": Annotated[
                Path,
                typer.Option("--key", help="The public key that you trust, from another source."),
            ],
            "model": Annotated[
                Path | None,
                typer.Option("--model", help="The tuned model's folder, or its one file."),
            ],
            "base": Annotated[
                Path | None, typer.Option("--base", help="The base's folder, or its one file.")
            ],
            "suites": Annotated[
                list[str],
                typer.Option("--suite", help="A suite that it must be about, as certify takes it."),
            ],
            "manifest": Annotated[
                Path | None,
                typer.Option("--manifest", help="The file that was signed with --manifest."),
            ],
            "policy": Annotated[
                Path | None,
                typer.Option("--policy", help="A policy whose rules the claims must keep to."),
            ],
        },
        {"pass": 0, "fail": 1, "inconclusive": 3, "refused": 5},
    ),
    "Check a certificate offline; exit code 0 genuine and passed, 1 genuine and failed, 3 genuine and undecided, 5 refused.",
)
