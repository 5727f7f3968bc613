"""Tests that a change is no worse than a margin, one a kind of item value."""

from ._above_chance import above_chance_evidence as above_chance_evidence
from ._above_chance import above_chance_pvalue as above_chance_pvalue
from ._bounded import bounded_noninferiority as bounded_noninferiority
from ._flips import GAMMA as GAMMA
from ._flips import FlipEvidence as FlipEvidence
from ._flips import evidence_at as evidence_at
from ._flips import flip_noninferiority as flip_noninferiority
from ._flips import likely_flips as likely_flips
from ._flips import most_lost_at as most_lost_at
from ._flips import outcome_probabilities as outcome_probabilities
from ._multiplicity import holm_adjusted_pvalues as holm_adjusted_pvalues
from ._multiplicity import suite_pvalue as suite_pvalue
from ._noninferiority import SMALLEST_ALPHA as SMALLEST_ALPHA
from ._noninferiority import NoninferiorityTest as NoninferiorityTest
from ._noninferiority import Units as Units
from ._noninferiority import check_level as check_level
from ._noninferiority import check_margin as check_margin
from ._repeated_looks import Looks as Looks
from ._repeated_looks import look_evidence as look_evidence
from ._repeated_looks import lowest_mean as lowest_mean
from ._sequential import SequentialTest as SequentialTest
from ._sequential import sequential_noninferiority as sequential_noninferiority
from ._tango import tango_interval as tango_interval
from ._tango import tango_statistic as tango_statistic
from ._unbounded import unbounded_noninferiority as unbounded_noninferiority
