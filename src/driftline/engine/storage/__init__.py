"""The run folder and the scores in it: locked, resumable, listed and pruned."""

from ._run_folder import RunFolder as RunFolder
from ._run_folder import disk_errors_named as disk_errors_named
from ._runs import PruneRule as PruneRule
from ._runs import choose_runs as choose_runs
from ._runs import list_runs as list_runs
from ._runs import prune_runs as prune_runs
from ._runs import show_run as show_run
from ._store import ResultStore as ResultStore
from ._store import StoredScores as StoredScores
