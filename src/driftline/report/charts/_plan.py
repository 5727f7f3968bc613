"""The chart of a plan: target gain against the change of the capability that lost most."""

from ...results import Plan
from ._decision import DecisionPoint, decision_chart, decision_key
from ._drawing import WIDE, Canvas, Chart, Key, styled


def plan_front(document: Plan, canvas: Canvas = WIDE) -> Chart:
    """Draw every point of a search, with the front and the chosen one."""
    return styled(decision_chart(_points(document), canvas, gain="target gain, nats per token"))


def plan_key(document: Plan) -> tuple[Key, ...]:
    """Explain every mark of that chart."""
    return decision_key(_points(document), chosen="chosen")


def _points(document: Plan) -> list[DecisionPoint]:
    return [
        DecisionPoint(
            look.worst_loss,
            look.target_gain,
            look.meets_constraint,
            on_front=look.is_on_front,
            is_chosen=look == document.chosen,
        )
        for look in (
            *document.looks,
            *(() if document.chosen in document.looks else (document.chosen,)),
        )
    ]
