"""The base of all documents, and the values that documents are made of."""

from ._belief_space import BeliefCurve as BeliefCurve
from ._belief_space import BeliefSpace as BeliefSpace
from ._belief_space import DriftShape as DriftShape
from ._belief_space import LayerDrift as LayerDrift
from ._belief_space import LayerGeometry as LayerGeometry
from ._document import Document as Document
from ._document import Value as Value
from ._explanation import AtRiskItem as AtRiskItem
from ._explanation import ConflictingExample as ConflictingExample
from ._explanation import FailureMode as FailureMode
from ._explanation import ForecastExplanation as ForecastExplanation
from ._policy import CertificationPolicy as CertificationPolicy
from ._policy import PolicyRule as PolicyRule
from ._policy import Tier as Tier
from ._probe_reading import CapabilityReading as CapabilityReading
from ._probe_reading import Look as Look
from ._probe_reading import ProbeReading as ProbeReading
from ._provenance import ModelProvenance as ModelProvenance
from ._provenance import Numerics as Numerics
from ._provenance import Provenance as Provenance
from ._provenance import SourceProvenance as SourceProvenance
from ._recovery import RecoveryFinding as RecoveryFinding
from ._recovery import RecoveryProbe as RecoveryProbe
from ._safe_envelope import EnvelopeContour as EnvelopeContour
from ._safe_envelope import EnvelopePoint as EnvelopePoint
from ._safe_envelope import SafeEnvelope as SafeEnvelope
