"""What the monitor may be told, and what is refused by name."""

import pytest

from driftline.errors import ConfigError
from driftline.training import MonitorSettings

COUNTS = ("every_steps", "glance_every_steps", "max_interventions", "num_snapshots", "anchor_rows",
          "anchor_row_tokens", "num_layers", "step_tokens", "seed")  # fmt: skip
NUMBERS = ("overhead", "alpha", "lower_factor", "check_timeout_seconds", "heartbeat_seconds")
WRONG = (True, False, float("nan"), float("inf"), float("-inf"), "text", [1])


@pytest.mark.parametrize("name", COUNTS + NUMBERS)
@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_number_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match="monitor"):
        MonitorSettings.from_values({name: value}, origin="run.yaml")


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_whole(name):
    with pytest.raises(ConfigError, match=rf"{name}: 9\.5"):
        MonitorSettings.from_values({name: 9.5}, origin="run.yaml")


@pytest.mark.parametrize("alpha", [0, -1, 0.6, 1, 1.0])
def test_a_level_lies_between_0_and_one_half(alpha):
    with pytest.raises(ConfigError, match="alpha"):
        MonitorSettings.from_values({"alpha": alpha}, origin="run.yaml")


def test_whole_numbers_are_numbers():
    found = MonitorSettings.from_values(
        {"overhead": 1, "check_timeout_seconds": 60, "every_steps": 3}, origin="run.yaml"
    )
    assert (found.overhead, found.check_timeout_seconds, found.every_steps) == (1, 60, 3)
