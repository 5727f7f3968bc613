"""Questions about one suite: the scores of one model, and the change that its items can show."""

from ._score import score as score
from ._suite_power import suite_power as suite_power
