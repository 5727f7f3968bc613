"""The chart of a plan."""

from driftline.report import to_svg
from driftline.report.charts._plan import plan_front

from ...results.plan_sample import build_plan


def test_every_point_the_front_and_the_chosen_one_are_drawn():
    chart = plan_front(build_plan()).to_dict()
    tolerance, line, points, chosen = (
        chart["datasets"][layer["data"]["name"]] for layer in chart["layer"]
    )
    assert tolerance == [{"loss": 1.0}]
    assert [row["gain"] for row in line] == [0.0, 1.2, 1.5]
    assert [row["constraint"] for row in points] == [
        "within the tolerances", "within the tolerances", "not known to be within",
    ]  # fmt: skip
    assert chosen == [{"constraint": "within the tolerances", "loss": 0.6, "gain": 1.2}]
    assert to_svg(plan_front(build_plan())).startswith("<svg")
