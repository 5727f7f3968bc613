"""What we watch: capabilities, their items and scorers, and the suites that hold them."""

from ._capability import Capability as Capability
from ._capability import ItemScores as ItemScores
from ._items import Alternative as Alternative
from ._items import Alternatives as Alternatives
from ._items import Cloze as Cloze
from ._items import Generation as Generation
from ._items import Item as Item
from ._items import MinimalPair as MinimalPair
from ._items import MultipleChoice as MultipleChoice
from ._items import Passage as Passage
from ._items import right_text as right_text
from ._scored import ScoredCapability as ScoredCapability
from ._scored_logs import read_scored_log as read_scored_log
from ._scorers import MARGIN_BOUND_NATS as MARGIN_BOUND_NATS
from ._scorers import Likelihood as Likelihood
from ._scorers import Metric as Metric
from ._scorers import Normalization as Normalization
from ._scorers import completion_bytes as completion_bytes
from ._scorers import likelihood_requests as likelihood_requests
from ._scorers import loss_weights as loss_weights
from ._scorers import score_answer as score_answer
from ._scorers import score_likelihoods as score_likelihoods
from ._suites import SHIPPED_SUITES as SHIPPED_SUITES
from ._suites import Suite as Suite
from ._suites import read_suite as read_suite
