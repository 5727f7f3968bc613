"""The chart of a repair."""

from driftline.report import to_svg
from driftline.report.charts._repair import repair_front

from ...results.repair_sample import build_repair


def _layers(found):
    chart = repair_front(found).to_dict()
    return [chart["datasets"][layer["data"]["name"]] for layer in chart["layer"]]


def test_every_point_the_front_and_the_chosen_one_are_drawn():
    tolerance, line, points, chosen = _layers(build_repair())
    assert tolerance == [{"loss": 1.0}]
    assert [row["worth"] for row in line] == [1.25, 1.2]
    assert len(points) == 3
    assert chosen == [{"family": "groups", "loss": 0.8, "worth": 1.2}]
    assert to_svg(repair_front(build_repair())).startswith("<svg")


def test_without_a_target_the_share_of_the_update_stands_in():
    _tolerance, _line, points, _chosen = _layers(build_repair(target=None))
    assert [row["worth"] for row in points] == [1.0, 0.0, 0.71]
