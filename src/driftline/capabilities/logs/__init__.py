"""Items that lm-eval or inspect_ai has already scored, read from their logs."""

from ._scored import ScoredCapability as ScoredCapability
from ._scored_logs import read_scored_log as read_scored_log
