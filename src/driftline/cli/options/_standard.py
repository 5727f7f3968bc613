"""The options of inputs that mean the same in every question, by the input's name."""

from ._data_options import MapOption
from ._engine_options import AddressOption, EngineOption, GpusOption, ThreadsOption, WorkersOption
from ._model_options import DeviceMapOption, DtypeOption, LoadInOption, TrustOption
from ._run_options import (
    DryRunOption,
    ForceOption,
    ItemsOption,
    OutOption,
    PreferOption,
    SearchItemsOption,
    SeedOption,
    SuiteOption,
)

STANDARD_OPTIONS: dict[str, object] = {
    "suites": SuiteOption,
    "out": OutOption,
    "dry_run": DryRunOption,
    "columns": MapOption,
    "items": ItemsOption,
    "search_items": SearchItemsOption,
    "prefer": PreferOption,
    "seed": SeedOption,
    "force": ForceOption,
    "trust_remote_code": TrustOption,
    "dtype": DtypeOption,
    "device_map": DeviceMapOption,
    "load_in": LoadInOption,
    "engine": EngineOption,
    "address": AddressOption,
    "workers": WorkersOption,
    "gpus_per_worker": GpusOption,
    "threads_per_worker": ThreadsOption,
}
"""In the order in which `--help` shows them, behind a command's own; a command may replace one."""
