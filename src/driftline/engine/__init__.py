"""One verb: evaluate(points, capabilities) -> table; with the result store and progress."""

from ._evaluate import LocalEngine as LocalEngine
from ._evaluate import Table as Table
from ._meter import Meter as Meter
from ._meter import Progress as Progress
from ._run_folder import RunFolder as RunFolder
from ._run_folder import disk_errors_named as disk_errors_named
from ._store import ResultStore as ResultStore
