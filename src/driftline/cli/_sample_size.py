"""`sample-size`: how many items a certificate needs, before any model is run."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError

if TYPE_CHECKING:
    from driftline.results import SampleSize, SampleSizeClaim

_CAVEATS = (
    "items are independent; where groups share a source, count groups",
    "discordance is the share of items that one model gets right and the other wrong, in either "
    "direction; if more flip than was stated, the power is lower, the error is not",
    "power and error are those of the exact test, calculated and not simulated",
)
_MOST_CAPABILITIES = 1000
_OF_ALL = "the power of the claim about all is for capabilities that err independently"


def sample_size(
    margin: Annotated[
        float, typer.Option("--margin", help="Accepted loss as a share: 0.02 is 2 points.")
    ],
    discordance: Annotated[
        float, typer.Option("--discordance", help="Share of items that are expected to flip.")
    ],
    change: Annotated[
        float, typer.Option("--change", help="The true change for which power is wanted.")
    ] = 0.0,
    power: Annotated[float, typer.Option("--power", help="Wanted chance of passing.")] = 0.8,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Accepted chance that a loss of the margin passes.")
    ] = 0.05,
    capabilities: Annotated[
        int, typer.Option("--capabilities", help="How many capabilities are claimed.")
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say how many items show that accuracy was kept, before GPU time is spent."""
    _check(margin, discordance, change, power=power, alpha=alpha, capabilities=capabilities)
    # Loads numpy, so not for --help.
    from driftline.results import sample_size_summary

    found = _sample_size(
        margin, discordance, change, power=power, alpha=alpha, capabilities=capabilities
    )
    typer.echo(found.to_json() if json else sample_size_summary(found), nl=False)


def _check(
    margin: float,
    discordance: float,
    change: float,
    *,
    power: float,
    alpha: float,
    capabilities: int,
) -> None:
    """Name the option that is wrong, and how to mend it.

    Raises:
        ConfigError: One of them is.
    """
    rules = (
        (0 < margin < 1, "--margin", margin, "a share between 0 and 1, such as 0.02 for 2 points"),
        (0 < discordance <= 1, "--discordance", discordance, "a share between 0 and 1"),
        (
            -margin < change <= discordance,
            "--change",
            change,
            f"above -margin, where power can exist, and at most --discordance: {-margin:g} to "
            f"{discordance:g}",
        ),
        (abs(change) <= discordance, "--discordance", discordance, "at least as large as --change"),
        (1e-4 <= alpha <= 0.5, "--alpha", alpha, "between 0.0001 and 0.5, such as 0.05"),
        (alpha < power < 1, "--power", power, f"between --alpha ({alpha:g}) and 1, such as 0.8"),
        (
            1 <= capabilities <= _MOST_CAPABILITIES,
            "--capabilities",
            capabilities,
            f"a whole number from 1 to {_MOST_CAPABILITIES}",
        ),
    )
    for is_fine, option, value, mend in rules:
        if not is_fine:
            said = str(value) if isinstance(value, int) else f"{value:g}"
            raise ConfigError(f"sample-size: {option} {said:.40} must be {mend}")


def _sample_size(
    margin: float,
    discordance: float,
    change: float,
    *,
    power: float,
    alpha: float,
    capabilities: int,
) -> "SampleSize":
    from driftline.results import SampleSize, SampleSizeClaim
    from driftline.stats import noninferiority_power, num_items_needed

    def claim(name: str, *, alpha: float, power: float) -> "SampleSizeClaim":
        level = 1 - alpha
        num_items = num_items_needed(
            margin=margin,
            discordance=discordance,
            change=change,
            power=power,
            confidence_level=level,
        )
        reached = noninferiority_power(
            num_items,
            margin=margin,
            discordance=discordance,
            change=change,
            confidence_level=level,
        )
        return SampleSizeClaim(claim=name, num_items=num_items, alpha=alpha, power=reached)

    claims = [claim("one", alpha=alpha, power=power)]
    if capabilities > 1:
        claims.append(claim("all", alpha=alpha, power=power ** (1 / capabilities)))
        claims.append(claim("each", alpha=alpha / capabilities, power=power))
    return SampleSize(
        margin=margin,
        discordance=discordance,
        change=change,
        power=power,
        alpha=alpha,
        num_capabilities=capabilities,
        claims=tuple(claims),
        caveats=_CAVEATS if capabilities == 1 else (*_CAVEATS, _OF_ALL),
    )
