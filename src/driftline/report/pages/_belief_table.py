"""The numbers of the belief space's curves."""

from collections.abc import Iterator

from ...results import BeliefCurve, BeliefSpace
from ...results.readings import interval, lowest_cka, number, rank_range
from ..tables import ReportTable, columns, table


def belief_table(space: BeliefSpace) -> ReportTable:
    """Tabulate every point of every direction: output, and the extremes over layers."""
    return table(
        columns(
            "direction; norm or steps #; KL base || point #; KL point || base #; "
            "output drift #; representation drift #; lowest CKA #; in; "
            "effective rank, share of the base's, over layers #"
        ),
        (row for curve in space.curves for row in _table_rows(space, curve)),
    )


def _table_rows(space: BeliefSpace, curve: BeliefCurve) -> Iterator[tuple[str, ...]]:
    for place, scale in enumerate(curve.scales):
        worst, label = lowest_cka(curve, place)
        yield (
            curve.direction,
            number(scale),
            number(curve.kl_nats[place]),
            number(curve.reverse_kl_nats[place]),
            number(curve.output_drift[place]),
            number(curve.representation_drift[place]),
            number(worst),
            label,
            interval(*rank_range(space, curve, place)),
        )
