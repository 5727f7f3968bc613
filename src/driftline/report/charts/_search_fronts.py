"""Charts of plan and repair: target gain against the change of the capability that lost most."""

from ...results import Plan, PlanLook, Repair, RepairLook
from ._decision import DecisionPoint, decision_chart, decision_key
from ._drawing import WIDE, Canvas, Chart, Key, styled


def search_front(document: Plan | Repair, canvas: Canvas = WIDE) -> Chart:
    """Draw every point of a search, with the front and the chosen one.

    Args:
        canvas: The room for the chart.

    Returns:
        The chart; up is the gain where there is a target, else the share of the update that is kept.
    """
    title = "target gain, nats per token" if _has_target(document) else "share of the update kept"
    return styled(decision_chart(_points(document), canvas, gain=title))


def search_key(document: Plan | Repair) -> tuple[Key, ...]:
    """Explain every mark of that chart."""
    return decision_key(_points(document), chosen="chosen")


def _points(document: Plan | Repair) -> list[DecisionPoint]:
    looks = list[PlanLook | RepairLook](document.looks)
    if document.chosen not in looks:
        looks.append(document.chosen)
    has_target = _has_target(document)
    return [
        DecisionPoint(
            look.worst_loss,
            _worth(look, has_target=has_target),
            look.meets_constraint,
            on_front=look.is_on_front,
            is_chosen=look == document.chosen,
        )
        for look in looks
        if look.worst_loss is not None
    ]


def _has_target(document: Plan | Repair) -> bool:
    return isinstance(document, Plan) or document.target is not None


def _worth(look: PlanLook | RepairLook, *, has_target: bool) -> float:
    if isinstance(look, PlanLook):
        return look.target_gain
    return (look.target_gain or 0.0) if has_target else look.kept_change
