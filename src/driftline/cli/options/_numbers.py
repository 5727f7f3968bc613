"""Numbers on the command line: a bad one is refused before any file is opened."""

import math

import typer

from ...errors import ConfigError


def checked_alpha(value: float | None) -> float | None:
    """Refuse a level at which no test says anything.

    Args:
        value: As it was given; None where it was not.

    Returns:
        The same.

    Raises:
        ConfigError: It is not a level.
    """
    if value is None:
        return None
    # Loads numpy, so not for --help.
    from driftline.stats import SMALLEST_ALPHA

    if not SMALLEST_ALPHA <= value <= 0.5:
        raise ConfigError(
            f"--alpha: {value:g} must lie between {SMALLEST_ALPHA:g} and 0.5; 0.05 is usual"
        )
    return value


def finite(
    context: typer.Context, parameter: typer.CallbackParam, value: float | None
) -> float | None:
    """Refuse a number that is none, or infinite.

    Args:
        context: Of the command line.
        value: As it was given; None where it was not.

    Returns:
        The same.

    Raises:
        ConfigError: It is not finite.
    """
    del context
    if value is not None and not math.isfinite(value):
        raise ConfigError(f"{parameter.opts[0]}: {value:g} is not a finite number")
    return value
