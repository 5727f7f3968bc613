"""`certify`: whether a tuned model keeps what its base could do, within margins fixed beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigError
from .._set_up import default_folder, read_suites, shown
from ..options import (
    DeviceMapOption,
    DtypeOption,
    ForceOption,
    JsonOption,
    LoadInOption,
    ModelChoice,
    OutOption,
    SeedOption,
    SuiteOption,
    TrustOption,
    checked_alpha,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.capabilities import Suite
    from driftline.results import Certification, CertificationPolicy

OUTPUTS = ("summary.txt", "model_card.md", "junit.xml", "certification.json")
EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}

BaseArgument = Annotated[
    str,
    typer.Argument(
        metavar="BASE",
        help="A folder with safetensors, a .gguf file, a hub id (owner/name@revision), or "
        "smollm2-135m.",
        show_default=False,
    ),
]
TunedArgument = Annotated[
    str,
    typer.Argument(
        metavar="TUNED",
        help="What was tuned from it: a folder with safetensors, an adapter's folder, or a hub id.",
        show_default=False,
    ),
]
AlphaOption = Annotated[
    float | None,
    typer.Option(
        "--alpha",
        callback=checked_alpha,
        help="Accepted chance that a loss of the margin passes, of each claim; 0.05 if not given.",
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy", help="A YAML file that fixes margins, tiers and alpha, in place of the suites."
    ),
]
SequentialOption = Annotated[
    bool,
    typer.Option(
        "--sequential",
        help="Score items in batches, each capability until its decision is clear.",
    ),
]
RecoveryOption = Annotated[
    bool,
    typer.Option("--recovery", help="Ask what was lost again, behind solved examples."),
]
_ALPHA = 0.05


@dataclass(frozen=True)
class Wanted:
    """What the user asked for, before anything heavy is loaded."""

    base: ModelChoice
    tuned: str
    suites: tuple[str, ...]
    alpha: float | None
    policy: Path | None
    is_sequential: bool
    has_recovery: bool
    out: Path | None
    seed: int
    force: bool


def certify(  # noqa: PLR0913 - each is an option of the command line
    base: BaseArgument,
    tuned: TunedArgument,
    suite: SuiteOption,
    alpha: AlphaOption = None,
    policy: PolicyOption = None,
    sequential: SequentialOption = False,
    recovery: RecoveryOption = False,
    out: OutOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    force: ForceOption = False,
    trust_remote_code: TrustOption = False,
    dtype: DtypeOption = None,
    device_map: DeviceMapOption = None,
    load_in: LoadInOption = None,
) -> None:
    """Whether a tuned model keeps what its base could do; exit code 0 pass, 1 fail, 3 inconclusive."""
    chosen = ModelChoice(base, trust_remote_code, dtype, device_map, load_in)
    wanted = Wanted(
        base=chosen,
        tuned=tuned,
        suites=tuple(suite),
        alpha=alpha,
        policy=policy,
        is_sequential=sequential,
        has_recovery=recovery,
        out=out,
        seed=seed,
        force=force,
    )
    found, folder = run(wanted)
    if json:
        typer.echo(found.to_json(), nl=False)
    else:
        from driftline.results import certification_summary

        typer.echo(certification_summary(found), nl=False)
        typer.echo(f"\ndocument: {folder / OUTPUTS[-1]}")
    raise typer.Exit(EXIT_CODES[found.verdict])


def run(wanted: Wanted) -> tuple["Certification", Path]:
    """Compare a tuned model with its base, and write what was found.

    Args:
        wanted: What was asked.

    Returns:
        The document, and the folder that holds it with `OUTPUTS`.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C; what was stored stays.
    """
    # Heavy, and not needed for --help.
    from driftline.capabilities import governed_suites

    from .._progress import ProgressPrinter

    printer = ProgressPrinter()
    policy = _policy(wanted)
    # Refused here already, so that a typo costs no wait.
    suites = governed_suites(read_suites(wanted.suites, printer), policy)
    alpha = _alpha(wanted, policy)
    from driftline.analyses import CertifyRequest
    from driftline.analyses import certify as compare
    from driftline.engine import RunFolder
    from driftline.report import render_junit, render_model_card
    from driftline.results import certification_summary

    sources = (wanted.base.source, wanted.tuned)
    folder = RunFolder.open(
        wanted.out or default_folder("certify", sources, wanted.suites),
        _identity(wanted, suites, policy, alpha),
        outputs=OUTPUTS,
        force=wanted.force,
        command="certify",
        model=wanted.tuned,
    )
    with folder:
        printer.note(f"opening {wanted.base.source}")
        opened = wanted.base.open()
        asked = CertifyRequest(
            opened,
            wanted.tuned,
            suites,
            alpha=alpha,
            seed=wanted.seed,
            policy=policy,
            sequential=wanted.is_sequential,
            recovery=wanted.has_recovery,
        )
        with shown(printer, folder):
            found = compare(asked, folder, listener=printer.update)
        # The document comes last: a folder that holds it is a finished one.
        contents = (
            certification_summary(found),
            render_model_card(found),
            render_junit(found),
            found.to_json(),
        )
        folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
    return found, folder.path


def _policy(wanted: Wanted) -> "CertificationPolicy | None":
    """What fixes the margins; None where no file does."""
    if wanted.policy is None:
        return None
    from driftline.capabilities import read_policy

    return read_policy(wanted.policy)


def _alpha(wanted: Wanted, policy: "CertificationPolicy | None") -> float:
    """The accepted error, from the one place that says it.

    Returns:
        alpha.

    Raises:
        ConfigError: It is said twice.
    """
    if policy is None:
        return _ALPHA if wanted.alpha is None else wanted.alpha
    if wanted.alpha is not None:
        raise ConfigError(
            f"--alpha {wanted.alpha:g}: the policy says {policy.alpha:g}; leave the option out"
        )
    return policy.alpha


def _identity(
    wanted: Wanted,
    suites: "Sequence[Suite]",
    policy: "CertificationPolicy | None",
    alpha: float,
) -> "JsonValue":
    """All that the answer depends on."""
    return {
        **wanted.base.identity(),
        "part": "certify",
        "tuned": wanted.tuned,
        "suites": [suite.provenance().digest for suite in suites],
        "policy": None if policy is None else policy.digest,
        "sequential": wanted.is_sequential,
        "recovery": wanted.has_recovery,
        "alpha": alpha,
        "seed": wanted.seed,
    }
