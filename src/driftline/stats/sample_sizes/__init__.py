"""Power of those tests, and the number of items that they need."""

from ._bounded_power import LARGEST_TESTED as LARGEST_TESTED
from ._bounded_power import bounded_margin_shown as bounded_margin_shown
from ._bounded_power import bounded_num_items_needed as bounded_num_items_needed
from ._flip_power import noninferiority_power as noninferiority_power
from ._flip_power import num_items_needed as num_items_needed
from ._item_numbers import ALPHA as ALPHA
from ._item_numbers import MEASURED_SPREADS as MEASURED_SPREADS
from ._item_numbers import POWER as POWER
from ._item_numbers import items_needed as items_needed
from ._item_numbers import margin_shown as margin_shown
from ._item_numbers import metric_named as metric_named
from ._item_numbers import spread_of as spread_of
from ._mean_power import mean_noninferiority_power as mean_noninferiority_power
from ._mean_power import mean_num_items_needed as mean_num_items_needed
