"""`sample-size`: the number of items that a certificate needs, before any model is run."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ....errors import ConfigError
from ...options import VerboseOption

if TYPE_CHECKING:
    from driftline.metrics import Metric
    from driftline.results import SampleSize

_OF_SHARES = (
    "items are independent; where groups share a source, count groups",
    "discordance is the share of items that one model gets right and the other wrong, in either "
    "direction; if more flip than was stated, the power is lower, the error is not",
    "power and error are those of the exact test, calculated and not simulated",
)
_MOST_CAPABILITIES = 1000
_OF_OTHERS = (
    _OF_SHARES[0],
    "the spread is the standard deviation of an item's change; if it is larger than was stated, the "
    "power is lower, the error is not",
    "the power is that of the test which certify makes, for normal changes",
)
_WITHOUT_BOUNDS = (
    "{metric} has no bounds: `certify` finds a loss with so many items, and passes only where the suite "
    "declares a range, which takes more of them; `driftline suite` counts with that range"
)
_BEYOND_TESTS = (
    "numbers above {largest:,} are calculated from the evidence that such items are expected to give, "
    "not from the test on a sample of them; they agree within 2 per cent"
)
_OF_ALL = "the power of the claim about all is for capabilities that err independently"


def sample_size(  # noqa: PLR0913 - each is an option of the command line
    margin: Annotated[
        float,
        typer.Option(
            "--margin",
            help="Accepted loss in the metric's unit: 0.02 is 2 points of accuracy or probability.",
        ),
    ],
    discordance: Annotated[
        float | None,
        typer.Option(
            "--discordance",
            help="Share of items that are expected to flip, for accuracy and exact_match "
            "(default: as measured on SmolLM2-135M).",
        ),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric", help="accuracy, exact_match, probability, margin_nats or nll_nats."
        ),
    ] = "accuracy",
    spread: Annotated[
        float | None,
        typer.Option(
            "--spread",
            help="Standard deviation of an item's change, for the other metrics "
            "(default: as measured on SmolLM2-135M).",
        ),
    ] = None,
    change: Annotated[
        float,
        typer.Option(
            "--change", help="The true change for which power is wanted; below 0 is worse."
        ),
    ] = 0.0,
    power: Annotated[float, typer.Option("--power", help="Wanted chance of passing.")] = 0.8,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Accepted chance that a loss of the margin passes.")
    ] = 0.05,
    capabilities: Annotated[
        int, typer.Option("--capabilities", help="How many capabilities are claimed.")
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Say how many items show that a capability was kept, before GPU time is spent."""
    request = _Asked(metric, margin, discordance, spread, change, power, alpha, capabilities)
    # Loads numpy, so not for --help.
    from driftline.report.terminal import sample_size_screen, sample_size_summary, screen_text

    result = _sample_size(request)
    if json:
        typer.echo(result.to_json(), nl=False)
        return
    typer.echo(screen_text(sample_size_screen(result)), nl=False)
    if verbose:
        typer.echo(f"\n{sample_size_summary(result)}", nl=False)


@dataclass(frozen=True)
class _Asked:
    """The options."""

    metric: str
    margin: float
    discordance: float | None
    spread: float | None
    change: float
    power: float
    alpha: float
    capabilities: int


def _check(request: _Asked, chosen: "Metric", spread: float) -> None:
    """Name the option that is wrong, and how to mend it."""
    margin, change, alpha = request.margin, request.change, request.alpha
    largest = spread if chosen.is_binary else chosen.largest_loss
    words = "a share between 0 and 1, such as 0.02 for 2 points"
    if not chosen.is_binary:
        words = f"above 0 and below {chosen.largest_loss:g}, the largest loss of {chosen.name}"
    other = "--spread" if chosen.is_binary else "--discordance"
    given = request.spread if chosen.is_binary else request.discordance
    rules = (
        (
            given is None,
            other,
            given or 0.0,
            f"left out for {chosen.name}; give "
            f"{'--discordance' if chosen.is_binary else '--spread'} instead",
        ),
        (0 < margin < chosen.largest_loss, "--margin", margin, words),
        (
            0 < spread <= 1 or (not chosen.is_binary and 0 < spread < math.inf),
            "--discordance" if chosen.is_binary else "--spread",
            spread,
            "a share between 0 and 1" if chosen.is_binary else "above 0",
        ),
        (
            -margin < change <= largest,
            "--change",
            change,
            f"above -margin, where power can exist, and at most {largest:g}",
        ),
        (
            not chosen.is_binary or abs(change) <= spread,
            "--discordance",
            spread,
            "at least as large as --change",
        ),
        (1e-4 <= alpha <= 0.5, "--alpha", alpha, "between 0.0001 and 0.5, such as 0.05"),
        (
            alpha < request.power < 1,
            "--power",
            request.power,
            f"between --alpha ({alpha:g}) and 1, such as 0.8",
        ),
        (
            1 <= request.capabilities <= _MOST_CAPABILITIES,
            "--capabilities",
            request.capabilities,
            f"a whole number from 1 to {_MOST_CAPABILITIES}",
        ),
    )
    for is_fine, option, value, mend in rules:
        if not is_fine:
            said = str(value) if isinstance(value, int) else f"{value:g}"
            raise ConfigError(f"sample-size: {option} {said:.40} must be {mend}")
    if chosen.is_binary:
        _check_each(request)


def _check_each(request: _Asked) -> None:
    """Refuse so many capabilities that no margin shows each of them: the exact test has a least p-value."""
    from driftline.stats import GAMMA

    # Whole numbers of GAMMA: 0.0001 / 1e-5 is a little more than 10.
    most = math.ceil(round(request.alpha / GAMMA, 9)) - 1
    if request.capabilities > most:
        raise ConfigError(
            f"sample-size: --capabilities {request.capabilities} must be at most {most} with --alpha "
            f"{request.alpha:g}: each is then claimed at alpha / {request.capabilities}, and no p-value "
            f"of the exact test is below {GAMMA:g}; take a larger --alpha or fewer capabilities"
        )


def _sample_size(request: _Asked) -> "SampleSize":
    from driftline.results import SampleSize, SampleSizeClaim
    from driftline.stats import LARGEST_TESTED, items_needed, metric_named, spread_of

    chosen = metric_named(request.metric)
    result = spread_of(chosen, request.discordance if chosen.is_binary else request.spread)
    _check(request, chosen, result.value)

    def claim(
        name: Literal["one", "all", "each"], *, alpha: float, power: float
    ) -> SampleSizeClaim:
        num_items = items_needed(
            chosen,
            margin=request.margin,
            spread=result.value,
            change=request.change,
            power=power,
            alpha=alpha,
        )
        reached = _reached(request, num_items, result.value, alpha) if chosen.is_binary else power
        return SampleSizeClaim(claim=name, num_items=num_items, alpha=alpha, power=reached)

    alpha, power, number = request.alpha, request.power, request.capabilities
    claims = [claim("one", alpha=alpha, power=power)]
    if number > 1:
        claims.append(claim("all", alpha=alpha, power=power ** (1 / number)))
        claims.append(claim("each", alpha=alpha / number, power=power))
    caveats: tuple[str, ...] = _OF_SHARES if chosen.is_binary else _OF_OTHERS
    is_tested = chosen.is_binary or not chosen.is_bounded
    if not is_tested and max(each.num_items for each in claims) > LARGEST_TESTED:
        caveats = (*caveats, _BEYOND_TESTS.format(largest=LARGEST_TESTED))
    if not chosen.is_bounded:
        caveats = (_WITHOUT_BOUNDS.format(metric=chosen.name), *caveats)
    return SampleSize(
        metric=chosen.name,
        unit=chosen.unit,
        margin=request.margin,
        discordance=result.value if chosen.is_binary else None,
        spread=None if chosen.is_binary else result.value,
        is_measured=result.is_measured,
        change=request.change,
        power=power,
        alpha=alpha,
        num_capabilities=number,
        claims=tuple(claims),
        caveats=caveats if number == 1 else (*caveats, _OF_ALL),
    )


def _reached(request: _Asked, num_items: int, discordance: float, alpha: float) -> float:
    """Compute the power of the exact test with that number of items."""
    from driftline.stats import noninferiority_power

    return noninferiority_power(
        num_items,
        margin=request.margin,
        discordance=discordance,
        change=request.change,
        confidence_level=1 - alpha,
    )
