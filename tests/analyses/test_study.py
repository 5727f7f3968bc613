"""How far the probe goes, and where it looks."""

import pytest

from driftline.analyses import probe_steps

FRACTIONS = (0.01, 0.1, 0.2, 0.33, 0.5, 1.0)


@pytest.mark.parametrize("num_steps", [*range(1, 40), 97, 500, 10_000])
@pytest.mark.parametrize("fraction", FRACTIONS)
def test_properties(num_steps, fraction):
    steps = probe_steps(num_steps, fraction)
    assert 1 <= len(steps) <= 3
    assert list(steps) == sorted(set(steps))
    assert 1 <= steps[0] <= steps[-1] <= num_steps
    assert abs(steps[-1] - num_steps * fraction) <= 0.5 or steps == (1,)


@pytest.mark.parametrize(
    ("num_steps", "fraction", "expected"),
    [
        (60, 0.2, (3, 6, 12)),
        (1, 0.2, (1,)),
        (10, 0.2, (1, 2)),
        (20, 0.2, (1, 2, 4)),
        (8, 1.0, (2, 4, 8)),
        (5, 0.0, (1,)),
    ],
)
def test_cases(num_steps, fraction, expected):
    assert probe_steps(num_steps, fraction) == expected


def test_a_longer_run_is_never_probed_shorter():
    lasts = [probe_steps(num_steps, 0.2)[-1] for num_steps in range(1, 300)]
    assert lasts == sorted(lasts)
