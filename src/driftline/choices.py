"""Words that one of several is chosen from, listed once; light, because `--help` reads them."""

from typing import Literal

Probe = Literal["0.05", "0.1", "0.2", "0.3", "0.4", "0.6"]
"""The share of the planned steps that a probe trains: the run itself, stopped."""
Until = Literal["probe", "decided"]
"""The end of a probe: its share of the steps, or the first clear verdict."""
Method = Literal[
    "driftline",
    "truncated",
    "linear_in_steps",
    "linear_in_rate",
    "straight_line",
    "learning_rate",
    "rate_times_steps",
    "update_norm",
    "mean",
]
"""The forecast: Driftline's own, or a baseline to compare it with."""
Dtype = Literal["float32", "bfloat16"]
"""The dtype that weights are held in."""
LoadIn = Literal["4bit", "8bit"]
"""The quantisation that a model is loaded in."""
EngineName = Literal["local", "ray"]
"""The engine that computes: this process, or Ray."""
SpectraEffort = Literal["none", "fast", "exact"]
"""The effort on spectra of changed weights."""
TestMethod = Literal["flips", "bounded", "unbounded", "sequential"]
"""The test behind a claim."""
PresenceState = Literal["present", "scaled", "absent", "other", "undecided"]
"""The state of an adapter's update in a merged weight."""
