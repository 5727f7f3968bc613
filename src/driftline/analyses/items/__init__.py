"""Selection of the items that a question scores: number, split, and those of the target."""

from ._choosing import keys_of as keys_of
from ._choosing import without_choosing as without_choosing
from ._distinct import distinct as distinct
from ._item_key import item_key as item_key
from ._num_scored import TokenCounter as TokenCounter
from ._num_scored import affordable_items as affordable_items
from ._num_scored import certified_metric as certified_metric
from ._num_scored import certifying_items as certifying_items
from ._num_scored import check_items as check_items
from ._num_scored import claims_caveat as claims_caveat
from ._num_scored import items_caveat as items_caveat
from ._num_scored import sampled_items as sampled_items
from ._num_scored import search_items as search_items
from ._num_scored import usual_spread as usual_spread
from ._split import SEARCH_SHARE as SEARCH_SHARE
from ._split import Halves as Halves
from ._split import split_items as split_items
from ._suite_request import SuiteRequest as SuiteRequest
from ._target import target_capability as target_capability
from ._unseen_rows import TargetRows as TargetRows
from ._unseen_rows import target_rows as target_rows
