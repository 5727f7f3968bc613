"""The document of `compare` with configs: which planned run is safest, before any is trained."""

from typing import Literal

from pydantic import Field

from ...verdicts import ForecastVerdict, TestVerdict
from ..parts import (
    Document,
    ModelProvenance,
    Numerics,
    RowGains,
    RunProvenance,
    SourceProvenance,
    Value,
)
from ._assessment import CapabilityForecast, Cost


class ComparedConfig(Value):
    """One planned run, as its last forecast sees it."""

    label: str
    config: SourceProvenance
    data: SourceProvenance
    verdict: ForecastVerdict
    """Verdict of its last forecast."""
    probe: float
    """The share of the run's steps that its last probe trained."""
    dropped_after: int | None
    """The round after which it dropped out, 1 is the first; None where it stayed."""
    largest_probability_lost: float | None
    """The largest probability, over the required capabilities that the base is shown to have, that one is lost; None
    where there is none."""
    worst_capability: str | None
    """The one of these with the largest predicted loss in tolerances; None where there is none."""
    worst_loss: float | None
    """The loss of `worst_capability`, in tolerances: above 1 the tolerance is passed; None where there is none."""
    worst_low: float | None
    """90 % interval of the largest loss over all of these."""
    worst_high: float | None
    probability_safest: float
    """Probability that its worst loss is the smallest of all configs, each by its last forecast."""
    gain: float | None
    """Predicted gain on the run's own task, nats a token; None where too few finished runs say it."""
    gain_low: float | None
    gain_high: float | None
    gain_confidence_level: float | None
    row_gains: RowGains | None = None
    """Gain on rows that its probe trained on, and on others; None where no other rows are known."""
    forecast: tuple[CapabilityForecast, ...]


class ComparisonRound(Value):
    """One round of forecasts."""

    probe: float
    forecast: tuple[str, ...]
    """Labels of the configs that were probed."""
    dropped: tuple[str, ...]
    """Labels of those that dropped out after it."""


class ConfigComparisonProvenance(RunProvenance):
    """Everything that is needed to compare the same again."""

    model: ModelProvenance
    suites: tuple[SourceProvenance, ...]
    numerics: Numerics
    num_items: int
    """Items of each capability, at most, that every config was scored on."""
    dropped_from: float
    """A config drops out early from this `largest_probability_lost` on, unless every config would."""


class ConfigComparison(Document):
    """The document of `compare` with configs."""

    schema_: Literal["driftline/config-comparison/1"] = Field(
        default="driftline/config-comparison/1", alias="schema"
    )
    verdict: TestVerdict
    """pass: a config is forecast to be safe. fail: each one is forecast to be unsafe."""
    safest: str
    """Label of the config with the smallest predicted worst loss among those that stayed."""
    recommended: str | None
    """Label of the safe config that gains most; None where none is safe."""
    configs: tuple[ComparedConfig, ...]
    rounds: tuple[ComparisonRound, ...]
    cost: Cost
    """`fraction_of_planned_run`: of the planned steps of all configs together."""
    caveats: tuple[str, ...]
    provenance: ConfigComparisonProvenance
