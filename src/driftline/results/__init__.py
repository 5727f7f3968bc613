"""What analyses return and files hold: frozen values, versioned JSON, a plain summary.

Nothing here imports torch, so that a notebook or a CI job can read a result for next to nothing.
"""

from ._assessment import Assessment as Assessment
from ._assessment import CapabilityForecast as CapabilityForecast
from ._assessment import CapabilityScore as CapabilityScore
from ._assessment import Cost as Cost
from ._assessment import CurvePoint as CurvePoint
from ._assessment import LayerRegion as LayerRegion
from ._assessment import MarginTail as MarginTail
from ._assessment import ModuleFragility as ModuleFragility
from ._assessment import ModuleNoise as ModuleNoise
from ._assessment import StabilityMargin as StabilityMargin
from ._assessment import TargetForecast as TargetForecast
from ._assessment import Verdict as Verdict
from ._belief_space import BeliefCurve as BeliefCurve
from ._belief_space import BeliefSpace as BeliefSpace
from ._belief_space import DriftShape as DriftShape
from ._belief_space import LayerDrift as LayerDrift
from ._belief_space import LayerGeometry as LayerGeometry
from ._document import Document as Document
from ._document import Value as Value
from ._envelope import EnvelopeContour as EnvelopeContour
from ._envelope import EnvelopePoint as EnvelopePoint
from ._envelope import SafeEnvelope as SafeEnvelope
from ._provenance import ModelProvenance as ModelProvenance
from ._provenance import Numerics as Numerics
from ._provenance import Provenance as Provenance
from ._provenance import SourceProvenance as SourceProvenance
from ._runs import PrunedRuns as PrunedRuns
from ._runs import RunContents as RunContents
from ._runs import RunList as RunList
from ._runs import RunOwner as RunOwner
from ._runs import RunState as RunState
from ._runs import RunSummary as RunSummary
from ._runs import StoredScore as StoredScore
from ._sample_size import SampleSize as SampleSize
from ._sample_size import SampleSizeClaim as SampleSizeClaim
from ._sample_size import sample_size_summary as sample_size_summary
from ._scores import ItemScore as ItemScore
from ._scores import Scores as Scores
from ._scores import item_lines as item_lines
from ._scores_summary import scores_summary as scores_summary
from ._summary import summary as summary
from ._weight_diff import BadTensor as BadTensor
from ._weight_diff import ChangeGroup as ChangeGroup
from ._weight_diff import DiffProvenance as DiffProvenance
from ._weight_diff import Intruders as Intruders
from ._weight_diff import SpectraEffort as SpectraEffort
from ._weight_diff import Spectrum as Spectrum
from ._weight_diff import SpectrumMethod as SpectrumMethod
from ._weight_diff import Subject as Subject
from ._weight_diff import TensorChange as TensorChange
from ._weight_diff import WeightDiff as WeightDiff
from ._weight_diff_summary import weight_diff_summary as weight_diff_summary
