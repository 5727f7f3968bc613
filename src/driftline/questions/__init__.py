"""One call a question: what the command line and Python both run.

A question takes plain values, files or objects in memory, checks them, works in a run folder and returns
an `Answer`. Its signature is the only list of its inputs: the command line's options are made from it.
"""

from .answers import Answer as Answer
from .comparisons import compare as compare
from .finished_runs import read_run as read_run
from .inputs import LARGEST_SEED as LARGEST_SEED
from .inputs import Reporter as Reporter
from .inputs import check_free as check_free
from .inputs import read_as as read_as
from .inputs import write_file as write_file
from .planned_runs import assess as assess
from .planned_runs import calibrate as calibrate
from .planned_runs import forecast as forecast
from .planned_runs import fragility_map as fragility_map
from .planned_runs import margin as margin
from .planned_runs import plan as plan
from .suites import score as score
from .suites import suite_power as suite_power
from .training_runs import scale as scale
from .training_runs import train as train
from .tuned_models import certify as certify
from .tuned_models import diff as diff
from .tuned_models import repair as repair
from .tuned_models import verify as verify
