"""Commands about suites: what they show, how many items they need, and scores."""

from ._sample_size import sample_size as sample_size
from ._score import score as score
from ._suite import suite as suite
