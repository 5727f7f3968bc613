"""The chart of a repair: target gain against the change of the capability that lost most."""

from ...results import Repair, RepairLook
from ._decision import DecisionPoint, decision_chart, decision_key
from ._drawing import WIDE, Canvas, Chart, Key, styled


def repair_front(document: Repair, canvas: Canvas = WIDE) -> Chart:
    """Draw every point of a search, with the front and the chosen one.

    Args:
        document: The document to draw.
        canvas: The room for the chart.

    Returns:
        The chart; up is the gain where there is a target, else the share of the update that is kept.
    """
    has_target = document.target is not None
    title = "target gain, nats per token" if has_target else "share of the update kept"
    return styled(decision_chart(_points(document), canvas, gain=title))


def repair_key(document: Repair) -> tuple[Key, ...]:
    """Explain every mark of that chart."""
    return decision_key(_points(document), chosen="chosen")


def _points(document: Repair) -> list[DecisionPoint]:
    looks = (*document.looks, *(() if document.chosen in document.looks else (document.chosen,)))
    return [
        DecisionPoint(
            look.worst_loss,
            _worth(look, has_target=document.target is not None),
            look.meets_constraint,
            on_front=look.is_on_front,
            is_chosen=look == document.chosen,
        )
        for look in looks
    ]


def _worth(look: RepairLook, *, has_target: bool) -> float:
    return (look.target_gain or 0.0) if has_target else look.kept_change
