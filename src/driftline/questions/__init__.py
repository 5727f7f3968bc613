"""One call a question: what the command line and Python both run.

A question takes plain values, files or objects in memory, checks them, works in a run folder and returns
an `Answer`. Its signature is the only list of its inputs: the command line's options are made from it.
"""

from ._assess import assess as assess
from ._assess import forecast as forecast
from ._assess import fragility_map as fragility_map
from ._assess import margin as margin
from ._calibrate import calibrate as calibrate
from ._certify import certify as certify
from ._diff import diff as diff
from ._plan import plan as plan
from ._repair import repair as repair
from ._score import score as score
from ._suite_power import suite_power as suite_power
from ._train import train as train
from ._verify import verify as verify
from .answers import Answer as Answer
from .inputs import LARGEST_SEED as LARGEST_SEED
from .inputs import Reporter as Reporter
from .inputs import check_free as check_free
from .inputs import read_as as read_as
from .inputs import write_file as write_file
