"""The words of every verdict, listed once. Inconclusive is never a pass."""

from typing import Literal

TestVerdict = Literal["pass", "fail", "inconclusive"]
"""The verdict of a document about models that exist: certify, compare, plan, repair, diff, verify."""
ClaimVerdict = Literal["non_inferior", "inferior", "inconclusive"]
"""The verdict of a test of non-inferiority."""
LossVerdict = Literal["retained", "lost", "inconclusive", "not_shown"]
"""The forecast of one capability; `not_shown` where the base is not shown to have it, so that it decides nothing."""
ForecastVerdict = Literal["safe", "unsafe", "at_risk", "inconclusive"]
"""The verdict about a planned run."""
KeepVerdict = Literal["kept", "lost", "inconclusive"]
"""The verdict about one checkpoint of several."""
TrainingVerdict = Literal["no_alarm", "unsafe", "inconclusive"]
"""The verdict about a run under the monitor."""
