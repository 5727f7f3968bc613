"""The request of an assessment: one planned run of one model, and what must not break."""

from dataclasses import dataclass, field
from typing import Literal

from ...capabilities import Suite
from ...choices import Method, Probe
from ...engine import RayOptions
from ...errors import ConfigError
from ...models import LanguageModel, ScoringOptions, TrainingConfig, TrainingData
from ...results import LARGEST_RISK, Look
from ..forecasting import (
    EARLIEST_SAFE,
    FEWEST_RUNS,
    LOOK_SHARES,
    PROBES,
    ForecastCalibration,
    fitted_metrics,
    metric_like,
    shipped_calibration,
)
from ..items import SuiteRequest
from ..probing import Effort

Part = Literal["assess", "margin", "map", "forecast"]
_EARLIEST_DECISION = 0.1
"""Share of the planned steps: an earlier look has hardly left the warm-up. Nothing is called safe there yet."""
PARTS: tuple[Part, ...] = ("assess", "margin", "map", "forecast")


@dataclass(frozen=True)
class AssessmentRequest(SuiteRequest):
    """A planned run of one model, the capabilities that it must keep, and options."""

    part: Part
    opened: LanguageModel
    data: TrainingData
    config: TrainingConfig
    suites: tuple[Suite, ...]
    seed: int = 0
    effort: Effort = field(default_factory=Effort)
    options: ScoringOptions = field(default_factory=ScoringOptions)
    ray: RayOptions | None = None
    """Have the points computed on Ray; None computes them in this process."""
    probe: Probe = "0.2"
    """The share of the planned steps that is trained; at most, with `until_decided`."""
    until_decided: bool = False
    """Train on from look to look until the verdict is safe or unsafe, to the end of the probe."""
    risk: float = 0.1
    """Accepted probability that any required capability ends beyond its tolerance."""
    method: Method = "driftline"
    """Forecasting method: Driftline's, or a baseline."""
    calibration: ForecastCalibration = field(default_factory=shipped_calibration)
    """The finished runs that it is fitted to."""
    evaluation: TrainingData | None = None
    """Rows of the task that are not trained on; None takes rows that the probe does not reach."""
    keeps_checkpoint: bool = False
    """Keep the trainer's checkpoint of the probe's last step, so that the run can be continued."""

    def __post_init__(self) -> None:
        """Refuse a risk or a calibration that nothing can be decided by."""
        if not 0 < self.risk < LARGEST_RISK:
            raise ConfigError(
                f"--risk {self.risk:g}: must be a probability above 0 and below {LARGEST_RISK:g}, such as 0.1"
            )
        if self.until_decided and self.method != "driftline":
            raise ConfigError(
                f"--until decided: takes Driftline's own method, not --method {self.method}"
            )
        self._check_calibration()

    def _check_calibration(self) -> None:
        """Refuse finished runs from which a capability cannot be forecast, before anything is trained."""
        known = fitted_metrics(self.calibration, method=self.method, probe=self.probe)
        for capability in self.capabilities:
            if metric_like(capability.metric, known) is None:
                has = f"has that many in {', '.join(known)}" if known else "has them in no metric"
                raise ConfigError(
                    f"{capability.name}: --method {self.method} needs {FEWEST_RUNS} finished runs in "
                    f"{capability.metric}, or in a metric like it, and the calibration {has}; add runs with "
                    "`driftline calibrate`, or leave --calibration or --method out"
                )

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks of the probe, ascending."""
        return PROBES[self.probe]

    @property
    def deciding_looks(self) -> tuple[Look, ...]:
        """Looks at which a verdict may end the probe, ascending; the last one always is."""
        if not self.until_decided:
            return self.looks[-1:]
        early = [look for look in self.looks[:-1] if LOOK_SHARES[look] >= _EARLIEST_DECISION]
        return (*early, self.looks[-1])

    @property
    def risk_at_a_look(self) -> float:
        """Accepted risk of *unsafe* at one look: the sum over all deciding looks is at most `risk`."""
        return self.risk / len(self.deciding_looks)

    @property
    def risk_of_safe_at_a_look(self) -> float:
        """The same of *safe*, which the looks before `EARLIEST_SAFE` cannot say."""
        late = [look for look in self.deciding_looks if LOOK_SHARES[look] >= EARLIEST_SAFE]
        return self.risk / max(1, len(late))
