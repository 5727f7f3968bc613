"""`certify`: a test that a tuned model keeps what its base could do, within margins fixed before."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from .. import inputs
from ..answers import Answer
from ._choosing_runs import read_choosing_runs

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.analyses import ChoosingItems
    from driftline.capabilities import Suite
    from driftline.engine import RunFolder
    from driftline.results import Certification, CertificationPolicy

OUTPUTS = ("report.html", "summary.txt", "model_card.md", "junit.xml", "certification.json")
_ALPHA = 0.05


def certify(  # noqa: PLR0913 - the inputs of a question
    base: inputs.ModelInput,
    tuned: inputs.ModelInput,
    *,
    suites: inputs.SuiteInput = (),
    scored: bool = False,
    metric: str | None = None,
    margin: float | None = None,
    higher_is_better: bool | None = None,
    score_range: tuple[float, float] | None = None,
    alpha: float | None = None,
    policy: object = None,
    chosen_by: object = (),
    sequential: bool = False,
    recovery: bool = False,
    out: object = None,
    seed: int = 0,
    force: bool = False,
    trust_remote_code: bool = False,
    dtype: str | None = None,
    device_map: str | None = None,
    load_in: str | None = None,
    dry_run: bool = False,
    reporter: inputs.Reporter | None = None,
) -> Answer:
    """Test whether a tuned model keeps what its base could do.

    Args:
        base: A folder, a `.gguf` file, a hub id, or `(model, tokenizer)` in memory; with `scored`, the
            base's log.
        tuned: The tuned model or adapter: a folder, a hub id, or in memory; with `scored`, its log.
        suites: What must not be lost: names, YAML files or `Suite` objects.
        scored: `base` and `tuned` are logs of lm-eval or inspect_ai; no model is opened.
        metric: The metric of the logs; by default the first that they have.
        margin: Accepted loss in the metric's unit, for logs.
        higher_is_better: Direction of the metric, where neither its name nor the log says it.
        score_range: Lowest and highest score of an item, for a metric of logs without bounds of its own.
        alpha: Accepted chance that a loss of the margin passes, of each claim; None for 0.05, or for
            what the policy says.
        policy: A YAML file that fixes margins, tiers and alpha, in place of the suites.
        chosen_by: What chose the tuned model: run folders, documents or answers of `plan` and `repair`; the items
            by which they chose, and the groups of these, are left out.
        sequential: Score items in batches, each capability until its decision is clear.
        recovery: Re-test lost capabilities with few-shot prompts.
        out: Run folder; None leaves no file.
        seed: Random seed for Driftline's own sampling.
        force: Replace an earlier run in `out`.
        trust_remote_code: Let a checkpoint's own Python code run.
        dtype: `float32` (default) or `bfloat16`.
        device_map: `auto`, or one device.
        load_in: `4bit` or `8bit`.
        dry_run: Estimate the cost, and do nothing else.
        reporter: Told about progress.

    Returns:
        The answer.

    Raises:
        ConfigError: Options contradict each other.
        InputError: A run of `chosen_by` cannot be read, or does not say which items chose.
        SuiteError: Too few items of a capability did not choose.
    """
    inputs.check_seed(seed)
    reporter = reporter or inputs.SilentReporter()
    rules = _read_policy(policy)
    level = _alpha(alpha, rules)
    if scored:
        _refuse_options_of_models(
            suites=suites, sequential=sequential, recovery=recovery, dry_run=dry_run, dtype=dtype,
            device_map=device_map, load_in=load_in, chosen_by=chosen_by,
        )  # fmt: skip
        from ._certify_logs import LogOptions, certify_logs

        return certify_logs(
            (base, tuned),
            LogOptions(metric, margin, higher_is_better, score_range, level, rules, seed),
            out=out,
            force=force,
            write=_write,
            outputs=OUTPUTS,
        )
    for option, value in {"--metric": metric, "--margin": margin, "--range": score_range}.items():
        if value is not None:
            raise ConfigError(f"{option}: is for logs, the suite says it here; add --scored")
    from driftline.capabilities import governed_suites

    # Refused here already, so that a typo costs no wait.
    read = governed_suites(inputs.read_suites(suites, reporter), rules)
    reporter.note("loading PyTorch and transformers")
    chosen = read_choosing_runs(chosen_by)
    left = _left(read, chosen)
    with inputs.handed_models() as handed:
        source, digest = handed.files(base, "base")
        choice = inputs.ModelChoice(source, trust_remote_code, dtype, device_map, load_in, digest)
        if dry_run:
            from ..documents import estimate_certification

            return Answer(handed.named(estimate_certification(left, choice)))
        options: dict[str, Any] = {
            "policy": rules, "sequential": sequential, "recovery": recovery, "alpha": level,
            "seed": seed,
        }  # fmt: skip
        other, other_digest = handed.files(tuned, "tuned")
        identity: JsonValue = {
            **choice.identity(),
            **options,
            "part": "certify",
            "tuned": other_digest or other,
            "suites": [suite.identity() for suite in read],
            "policy": None if rules is None else rules.digest,
            **_chosen_on(chosen),
        }
        with inputs.run_folder(
            out, identity, outputs=OUTPUTS, force=force, command="certify", model=other,
            reads=(base, suites, policy, chosen_by),
        ) as folder:  # fmt: skip
            options["chosen_by"] = chosen
            document = handed.named(_compared(choice, other, read, options, folder, reporter))
            _write(document, folder)
        return Answer(document, None if out is None else folder.path)


def _chosen_on(chosen: "tuple[ChoosingItems, ...]") -> "dict[str, JsonValue]":
    """Return the part of a run's identity; a run that leaves nothing out is as it was."""
    keys: list[JsonValue] = [*sorted({key for run in chosen for key in run.keys})]
    return {"chosen_on": keys} if keys else {}


def _left(suites: "tuple[Suite, ...]", chosen: "tuple[ChoosingItems, ...]") -> "tuple[Suite, ...]":
    """Leave out what chose the model: here, so that too few items cost no wait."""
    if not chosen:
        return suites
    from driftline.analyses import unchosen

    return tuple(replace(suite, capabilities=unchosen([suite], chosen)) for suite in suites)


def _refuse_options_of_models(**given: object) -> None:
    """Refuse what only models can have; logs hold scores alone."""
    for name, value in given.items():
        if value:
            option = "--suite" if name == "suites" else f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option}: is for models, which logs do not hold; leave it out")


def _compared(
    choice: inputs.ModelChoice,
    tuned: str,
    suites: "tuple[Suite, ...]",
    options: dict[str, Any],
    folder: "RunFolder",
    reporter: inputs.Reporter,
) -> "Certification":
    """Open the base and compare the tuned model with it."""
    from driftline.analyses import CertifyRequest
    from driftline.analyses import certify as compare

    reporter.note(f"opening {choice.source}")
    request = CertifyRequest(choice.open(), tuned, suites, **options)
    with inputs.shown(reporter, folder):
        return compare(request, folder, listener=reporter.update)


def _write(document: "Certification", folder: "RunFolder") -> None:
    """Write the document and what is made from it."""
    from driftline.report import render_certification, render_junit, render_model_card
    from driftline.report.terminal import certification_summary

    # The document comes last: a folder that holds it is a finished one.
    contents = (
        render_certification(document),
        certification_summary(document),
        render_model_card(document),
        render_junit(document),
        document.to_json(),
    )
    folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))


def _read_policy(policy: object) -> "CertificationPolicy | None":
    """Read what fixes the margins; None where no file does."""
    path = inputs.path_of(policy, "--policy")
    if path is None:
        return None
    from driftline.capabilities import read_policy

    return read_policy(path)


def _alpha(given: float | None, policy: "CertificationPolicy | None") -> float:
    """Find the accepted error, in the one place that says it.

    Raises:
        ConfigError: It is said twice.
    """
    if given is not None:
        inputs.check_alpha(given)
    if policy is None:
        return _ALPHA if given is None else given
    if given is not None:
        raise ConfigError(
            f"--alpha {given:g}: the policy says {policy.alpha:g}; leave the option out"
        )
    return policy.alpha
