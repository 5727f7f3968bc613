"""Opens models and adapters; directions and points in weight space; scoring.

The only room that knows transformers, PEFT and TRL.
"""

from ._directions import Direction as Direction
from ._directions import NoiseDirection as NoiseDirection
from ._directions import StoredDirection as StoredDirection
from ._directions import store_direction as store_direction
from ._generation import generate_greedily as generate_greedily
from ._hidden_states import LogProbs as LogProbs
from ._hidden_states import States as States
from ._hidden_states import num_layers as num_layers
from ._hidden_states import observe as observe
from ._opening import NAMED_MODELS as NAMED_MODELS
from ._opening import LanguageModel as LanguageModel
from ._opening import Placement as Placement
from ._opening import find_named_model as find_named_model
from ._opening import named_dtype as named_dtype
from ._opening import open_model as open_model
from ._points import BASE as BASE
from ._points import Point as Point
from ._points import Scale as Scale
from ._points import Term as Term
from ._points import WeightNorms as WeightNorms
from ._points import at_point as at_point
from ._points import change_norms as change_norms
from ._points import relative_norm as relative_norm
from ._prefix_tree import TokenSequence as TokenSequence
from ._prefix_tree import num_tree_tokens as num_tree_tokens
from ._quantised import LoadIn as LoadIn
from ._scoring import EntryStates as EntryStates
from ._scoring import Scorer as Scorer
from ._scoring import ScoringOptions as ScoringOptions
from ._scoring import SequenceScore as SequenceScore
from ._scoring import numerics as numerics
from ._tokens import PackedRows as PackedRows
from ._tokens import encode_completions as encode_completions
from ._tokens import encode_packed as encode_packed
from ._tokens import encode_passage as encode_passage
from ._tokens import encode_prompt as encode_prompt
from ._training_config import TrainingConfig as TrainingConfig
from ._training_config import read_training_config as read_training_config
from ._training_data import TrainingData as TrainingData
from ._training_data import read_training_data as read_training_data
from ._trajectory import TrainingPlan as TrainingPlan
from ._trajectory import Trajectory as Trajectory
from ._trajectory import TrajectoryDirection as TrajectoryDirection
from ._trajectory import plan_training as plan_training
from ._travelling import files_of as files_of
from ._travelling import travelling_point as travelling_point
from ._travelling import with_files_at as with_files_at
from ._tuned import open_tuned as open_tuned
from ._weights import Role as Role
from ._weights import Weight as Weight
from ._weights import list_weights as list_weights
from ._weights import weight_role as weight_role
from ._weights import weights_digest as weights_digest
