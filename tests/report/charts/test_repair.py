"""The chart of a repair."""

from driftline.report import to_svg
from driftline.report.charts._search_fronts import search_front

from ...results.repair_sample import build_repair


def _layers(found):
    chart = search_front(found).to_dict()
    return next(rows for rows in chart["datasets"].values() if "front" in rows[0])


def test_every_point_the_front_and_the_chosen_one_are_drawn():
    points = _layers(build_repair())
    assert [row["gain"] for row in points if row["front"]] == [1.25, 1.2]
    assert len(points) == 3
    assert [(row["change"], row["gain"]) for row in points if row["chosen"]] == [(-0.8, 1.2)]
    assert to_svg(search_front(build_repair())).startswith("<svg")


def test_without_a_target_the_share_of_the_update_stands_in():
    points = _layers(build_repair(target=None))
    assert [row["gain"] for row in points] == [1.0, 0.0, 0.71]
