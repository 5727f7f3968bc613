"""The request of an assessment: one planned run of one model, and what must not break."""

from dataclasses import dataclass, field
from typing import Literal

from ...capabilities import Capability, Suite
from ...engine import RayOptions
from ...errors import ConfigError
from ...models import LanguageModel, ScoringOptions, TrainingConfig, TrainingData
from ..forecasting import (
    FEWEST_RUNS,
    NEEDS_START,
    PROBES,
    ForecastCalibration,
    Method,
    Probe,
    early_looks,
    shipped_calibration,
)
from ..probing import Effort

Part = Literal["assess", "margin", "map", "forecast"]
PARTS: tuple[Part, ...] = ("assess", "margin", "map", "forecast")


@dataclass(frozen=True)
class AssessmentRequest:
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
    """The share of the planned steps that is trained; less than 0.2 is for `forecast` alone."""
    method: Method = "driftline"
    """Forecasting method: Driftline's, or a baseline."""
    calibration: ForecastCalibration = field(default_factory=shipped_calibration)
    """The finished runs that it is fitted to."""
    keeps_checkpoint: bool = False
    """Keep the trainer's checkpoint of the probe's last step, so that the run can be continued."""

    def __post_init__(self) -> None:
        """Refuse a probe that the part cannot do with."""
        if not self.has_path and self.part != "forecast":
            raise ConfigError(
                f"--probe {self.probe}: {self.part} needs the first fifth of the run; take 0.2 or 0.3"
            )
        if self.method in NEEDS_START and not early_looks(self.probe):
            raise ConfigError(
                f"--method {self.method}: it looks at the start of the run, and --probe {self.probe} is "
                "a replica alone; take a probe of 0.2"
            )
        if self.method in ("straight_line", "update_norm") and not self.has_path:
            raise ConfigError(f"--method {self.method}: takes a probe of 0.2 or 0.3")
        usable = len(self.calibration.with_looks(PROBES[self.probe]))
        if usable < FEWEST_RUNS:
            raise ConfigError(
                f"--calibration: {usable} of its {len(self.calibration.runs)} runs were probed at "
                f"{' and '.join(PROBES[self.probe])}, as --probe {self.probe} is; at least {FEWEST_RUNS} "
                "are needed"
            )

    @property
    def has_path(self) -> bool:
        """True if the probe is long enough to predict the path of the run."""
        return self.probe in ("0.2", "0.3")

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All capabilities of all suites."""
        return tuple(c for suite in self.suites for c in suite.capabilities)
