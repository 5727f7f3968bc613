"""The chart of a plan."""

from driftline.report import to_svg
from driftline.report.charts._search_fronts import search_front

from ...results.plan_sample import build_plan


def test_every_point_the_front_and_the_chosen_one_are_drawn():
    chart = search_front(build_plan()).to_dict()
    points = next(rows for rows in chart["datasets"].values() if "front" in rows[0])
    assert [row["gain"] for row in points if row["front"]] == [0.0, 1.2, 1.5]
    assert [row["state"] for row in points] == ["within", "within", "open"]
    (chosen,) = [row for row in points if row["chosen"]]
    assert (chosen["change"], chosen["gain"]) == (-0.6, 1.2)
    assert {"datum": -1} in [layer["encoding"].get("x") for layer in chart["layer"]]
    assert to_svg(search_front(build_plan())).startswith("<svg")
