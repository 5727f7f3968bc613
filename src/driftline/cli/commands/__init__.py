"""One file a command. Each parses, asks one question, prints or writes."""

from ._assess import part_command as part_command
from ._calibrate import calibrate as calibrate
from ._certify import certify as certify
from ._compare import compare as compare
from ._demo import demo as demo
from ._diff import diff as diff
from ._doctor import doctor as doctor
from ._plan import plan as plan
from ._repair import repair as repair
from ._report import report as report
from ._runs import runs as runs
from ._scale import scale as scale
from ._train import train as train
from .suites import sample_size as sample_size
from .suites import score as score
from .suites import suite as suite
