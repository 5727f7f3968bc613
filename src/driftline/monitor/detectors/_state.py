"""State of the monitor between checks, as stored in the trainer's checkpoints."""

from dataclasses import asdict, dataclass, field
from typing import Self

from pydantic import JsonValue, TypeAdapter

from ...stats import Looks
from ..signals import SpikeWatch


@dataclass
class MonitorState:
    """State on which later conclusions depend, other than the base's scores on disk."""

    every_steps: int = 1
    early_steps: list[int] = field(default_factory=list)
    """Steps at which checks come early, apart from `every_steps`."""
    glance_every_steps: int = 0
    """0: no glances."""
    has_early_glances: bool = False
    """Glances also come wherever the summed learning rate has grown by a quarter."""
    num_items: int | dict[str, int] | None = None
    """Number of scored items per capability; None: all."""
    checked_kl_nats: float = 0.0
    """The furthest that the output had moved at a check."""
    next_check: int = 0
    """A step that is checked out of turn; 0: none."""
    num_out_of_turn: int = 0
    steps: list[int] = field(default_factory=list)
    """Steps of the checks so far."""
    losses: dict[str, list[float]] = field(default_factory=dict)
    """Mean loss of each capability at each of them."""
    evidence: dict[str, list[float]] = field(default_factory=dict)
    """Looks and log evidence of each required capability."""
    raised: list[str] = field(default_factory=list)
    """Keys of alarms that stand: each is raised once."""
    last_safe_step: int = 0
    num_restarts: int = 0
    num_interventions: int = 0
    num_unpredictable: int = 0
    """Checks in a row at which the step was unpredictable."""
    grad_norm: SpikeWatch = field(default_factory=lambda: SpikeWatch("gradient norm"))
    loss: SpikeWatch = field(default_factory=lambda: SpikeWatch("training loss"))

    def looks(self, capability: str) -> Looks:
        """Return the evidence against one capability so far."""
        held = self.evidence.get(capability)
        return Looks() if held is None else Looks(int(held[0]), held[1])

    def keep(self, capability: str, looks: Looks) -> None:
        """Store the evidence against a capability."""
        self.evidence[capability] = [float(looks.num_looks), looks.log_evidence]

    def to_value(self) -> JsonValue:
        """Return the state as JSON."""
        value: JsonValue = TypeAdapter(MonitorState).dump_python(self, mode="json")
        return value

    @classmethod
    def from_value(cls, value: object) -> Self:
        """Read the state from JSON."""
        result = TypeAdapter(cls).validate_python(value)
        assert asdict(result)
        return result
