import numpy
import pytest

from driftline.stats import energy_share, paired_participation_ratio, top_directions

GENERATOR = numpy.random.default_rng(0)


def test_the_ratio_of_a_sample_is_that_of_its_distribution():
    spectrum = 1 / numpy.arange(1, 41)
    expected = spectrum.sum() ** 2 / (spectrum**2).sum()
    found, plain = [], []
    for _ in range(300):
        rows = GENERATOR.normal(size=(60, 40)) * numpy.sqrt(spectrum)
        found.append(paired_participation_ratio(rows, numpy.arange(60)))
        values = numpy.linalg.svd(rows, compute_uv=False) ** 2
        plain.append(values.sum() ** 2 / (values**2).sum())
    assert numpy.median(found) == pytest.approx(expected, rel=0.08)
    assert numpy.median(plain) < 0.9 * expected


def test_rows_of_one_item_do_not_count_as_pairs():
    rows = GENERATOR.normal(size=(12, 500))
    copies = numpy.repeat(rows, 3, axis=0)
    items = numpy.repeat(numpy.arange(12), 3)
    once = paired_participation_ratio(rows, numpy.arange(12))
    assert paired_participation_ratio(copies, items) == pytest.approx(once)
    assert paired_participation_ratio(copies, numpy.arange(36)) < 0.7 * once


def test_the_ratio_is_at_most_the_width():
    rows = numpy.array([[1.0, 0.01], [0.0, 1.0]])
    assert paired_participation_ratio(rows, numpy.array([0, 1])) == 2.0


@pytest.mark.parametrize(
    ("rows", "items"),
    [
        ([[1.0, 0.0], [2.0, 0.0]], [0, 0]),
        ([[1.0, 0.0], [0.0, 1.0]], [0, 1]),
        ([[0.0, 0.0], [0.0, 0.0]], [0, 1]),
        ([[1.0, 2.0]], [0]),
    ],
)
def test_the_ratio_may_be_undefined(rows, items):
    assert paired_participation_ratio(numpy.array(rows), numpy.array(items)) is None


def test_the_top_directions_hold_most_energy():
    basis = numpy.linalg.qr(GENERATOR.normal(size=(20, 3)))[0].T
    rows = GENERATOR.normal(size=(50, 3)) @ basis + 1e-6 * GENERATOR.normal(size=(50, 20))
    found = top_directions(rows, 3)
    assert found @ found.T == pytest.approx(numpy.eye(3), abs=1e-9)
    assert energy_share(rows, found) == pytest.approx(1.0, abs=1e-9)
    assert energy_share(basis, found) == pytest.approx(1.0, abs=1e-6)


def test_vectors_without_preference_have_the_share_of_chance():
    shares = [
        energy_share(GENERATOR.normal(size=(100, 40)), top_directions(numpy.eye(40)[:5], 5))
        for _ in range(50)
    ]
    assert numpy.mean(shares) == pytest.approx(5 / 40, rel=0.05)


def test_no_energy_has_no_share():
    assert energy_share(numpy.zeros((3, 4)), numpy.eye(4)[:2]) is None
