"""Signs of changes as people read them: a loss is a fall, whichever way a metric points."""

from collections.abc import Iterable

from ...metrics import METRICS, shown_unit
from ._readings import number

NATS_NOTE = "Nats are logarithms of probabilities: 0.7 nats less halve a probability."
TURNED_NOTE = "Where lower values are better, a rise is shown as a fall."


def fall(loss: float | None) -> float | None:
    """Turn a loss, positive where it is worse, into the change that it is.

    >>> fall(3.1), fall(-0.5), fall(0.0), fall(None)
    (-3.1, 0.5, 0.0, None)

    Args:
        loss: The loss; None where there is none.

    Returns:
        The change; negative is worse.
    """
    return loss if loss is None or loss == 0 else -loss


def shown_change(change: float | None, *, higher_is_better: bool) -> float | None:
    """Turn a change tuned - base so that negative is worse.

    Args:
        change: In the metric's own direction.
        higher_is_better: Direction of the metric.

    Returns:
        The change; None where there is none.
    """
    return change if higher_is_better else fall(change)


def metric_sign(metric: str) -> int:
    """Find what a change of a metric is multiplied by to become a loss.

    >>> metric_sign("accuracy"), metric_sign("nll_nats")
    (-1, 1)

    Args:
        metric: Its name; one that is not known is taken to be better when higher.

    Returns:
        -1 where a higher value is better, else 1.
    """
    known = METRICS.get(metric)
    return -1 if known is None or known.higher_is_better else 1


def fall_interval(low: float | None, high: float | None) -> str:
    """Write the interval of a change whose losses lie from `low` to `high`.

    >>> fall_interval(0.1, 0.25), fall_interval(None, 2)
    ('-0.250 to -0.100', 'at least -2.00')

    Args:
        low: The smallest loss; None where it is open.
        high: The largest loss; None where it is open.

    Returns:
        The interval, negative is worse; a dash where nothing is known.
    """
    worst, best = number(fall(high), signed=True), number(fall(low), signed=True)
    if low is not None and high is not None:
        return f"{worst} to {best}"
    if high is not None:
        return f"at least {worst}"
    return best if low is None else f"at most {best}"


def loss_lead(loss: float) -> str:
    """Open a sentence about the capability that lost most.

    >>> loss_lead(0.1), loss_lead(0.0), loss_lead(-0.1)
    ('Largest loss', 'No loss', 'No loss; smallest gain')

    Args:
        loss: Positive is worse.

    Returns:
        The first words.
    """
    if loss == 0:
        return "No loss"
    return "Largest loss" if loss > 0 else "No loss; smallest gain"


def in_tolerances(loss: float, tolerance: float) -> str | None:
    """Say a loss as a multiple of the loss that is accepted.

    >>> in_tolerances(0.31, 0.1), in_tolerances(0.04, 0.1), in_tolerances(0.3, 0.0)
    ('3.1 times', '0.4 times', None)

    Args:
        loss: Positive is worse.

    Returns:
        Such as `3.1 times`; None where nothing is accepted, so that there is no multiple.
    """
    if tolerance <= 0:
        return None
    times = loss / tolerance
    text = f"{times:,.0f}" if times >= 10 else f"{times:.2g}"
    return f"{text} times"


def sign_notes(units: Iterable[str], *, any_lower: bool = False) -> tuple[str, ...]:
    """Explain units and signs that a reader may not know."""
    has_nats = any(shown_unit(unit)[1].startswith("nats") for unit in units)
    return (NATS_NOTE,) * has_nats + (TURNED_NOTE,) * any_lower
