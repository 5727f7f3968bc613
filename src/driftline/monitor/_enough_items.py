"""More items for capabilities whose alarm the affordable ones could not raise."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

from ..capabilities import Capability
from ._monitored_run import Session
from .detectors import Checker
from .signals import BlindError

_WIDER = 4
"""Factor of the items of such a capability, until it has no more."""


def begin_with_enough_items(
    session: Session,
    begin: Callable[[], None],
    checker_of: Callable[[dict[str, int]], Checker],
    capabilities: Sequence[Capability],
) -> None:
    """Begin a run; take more items where the sensitivity self-test finds the affordable ones too few.

    An alarm that cannot be raised is worse than a check that costs more than its share.

    Args:
        session: The run; its checker and its number of items may change.
        begin: Scores the base, and runs the self-test.
        checker_of: Makes a checker of a number of items of each capability.
        capabilities: With all their items.

    Raises:
        BlindError: A required capability could raise no alarm with all its items, or with as many as the
            user set.
    """
    while True:
        try:
            begin()
        except BlindError as error:
            more = _more(session.state.num_items, capabilities, error.capabilities)
            if more is None:
                raise
            session.log.write(
                "more_items", step=0, capabilities=list[JsonValue](error.capabilities)
            )
            session.state.num_items = more
            session.checker = checker_of(more)
        else:
            return


def _more(
    before: int | Mapping[str, int] | None, capabilities: Sequence[Capability], names: Sequence[str]
) -> dict[str, int] | None:
    """Return more items of some capabilities; None where there are none, or the user set the number."""
    most = {c.name: len(c.items) for c in capabilities}
    if not isinstance(before, Mapping) or not any(before[name] < most[name] for name in names):
        return None
    return {
        name: min(most[name], _WIDER * num) if name in names else num
        for name, num in before.items()
    }
