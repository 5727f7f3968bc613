"""The inputs of a question: names and files, or objects in memory that stand for them."""

import contextlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_args

from ...choices import Dtype, EngineName, LoadIn
from ...errors import ConfigError, DataError, SuiteError
from ._files import check_kept

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.capabilities import Suite
    from driftline.engine import RayOptions, RunFolder
    from driftline.models import LanguageModel, TrainingConfig, TrainingData

    from ._reporter import Reporter

ModelInput: TypeAlias = Any
"""A name or path, a transformers model with its tokenizer as `(model, tokenizer)`, or an adapter."""
DataInput: TypeAlias = Any
"""A name or path, a `datasets.Dataset` or `DatasetDict`, or a list of dicts."""
ConfigInput: TypeAlias = Any
"""A path, a dict of TRL's fields, or an `SFTConfig`."""
SuiteInput: TypeAlias = Any
"""A name or path, or a `Suite`; one or several."""

LARGEST_SEED = 2**32 - 1
"""Largest seed that numpy and transformers take, and that a certificate can hold exactly."""
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class ModelChoice:
    """A model in files, and how it is to be held."""

    source: str
    trust_remote_code: bool = False
    dtype: str | None = None
    device_map: str | None = None
    load_in: str | None = None
    digest: str | None = None
    """Digest of a model that came from memory, since its files have no name that lasts."""

    def __post_init__(self) -> None:
        """Refuse a dtype or a quantisation that does not exist."""
        check_choice("--dtype", self.dtype, (*get_args(Dtype), None))
        check_choice("--load-in", self.load_in, (*get_args(LoadIn), None))

    def open(self) -> "LanguageModel":
        """Open it.

        Raises:
            ModelError: There is no such model, or it cannot be held so.
        """
        # Heavy, and not needed for --help.
        from driftline.models import Placement, named_dtype, open_model

        return open_model(
            self.source,
            trust_remote_code=self.trust_remote_code,
            dtype=named_dtype(self.dtype),  # type: ignore[arg-type]  # just checked
            placement=Placement(self.device_map),
            load_in=self.load_in,  # type: ignore[arg-type]
        )

    def identity(self) -> dict[str, "JsonValue"]:
        """List what of it an answer depends on; where its weights lie is not part of that."""
        return {"model": self.digest or self.source, "dtype": self.dtype, "load_in": self.load_in}


@dataclass(frozen=True)
class EngineChoice:
    """The engine that computes: this process or Ray, with the options of Ray."""

    name: str = "local"
    address: str | None = None
    num_workers: int | None = None
    gpus_per_worker: float | None = None
    threads_per_worker: int | None = None

    def ray_options(self) -> "RayOptions | None":
        """Read the options of Ray; None for this process.

        Raises:
            ConfigError: Ray is not installed, or an option of Ray's was given without it.
        """
        check_choice("--engine", self.name, get_args(EngineName))
        check_least("--workers", self.num_workers, 1)
        check_least("--gpus-per-worker", self.gpus_per_worker, 0)
        check_least("--threads-per-worker", self.threads_per_worker, 1)
        given = {
            "--address": self.address,
            "--workers": self.num_workers,
            "--gpus-per-worker": self.gpus_per_worker,
            "--threads-per-worker": self.threads_per_worker,
        }
        if self.name == "local":
            for option, value in given.items():
                if value is not None:
                    raise ConfigError(f"{option} {value}: is for Ray; add --engine ray")
            return None
        # Heavy, and not needed for --help.
        from driftline.engine import RayOptions, check_ray

        check_ray()
        return RayOptions(
            self.address, self.num_workers, self.gpus_per_worker, self.threads_per_worker
        )


PREFERENCES = ("gain", "safety")
"""Choices among candidates within the tolerances."""


def check_choice(option: str, value: object, choices: Collection[object]) -> None:
    """Refuse a value that is not one of the choices.

    Args:
        option: Its name, for the message.
        value: As it was given.
        choices: All that are allowed; None among them allows None.

    Raises:
        ConfigError: It is not one of them.
    """
    if value not in choices:
        allowed = ", ".join(str(choice) for choice in choices if choice is not None)
        raise ConfigError(f"{option} {value!r:.60}: is not one of {allowed}")


def check_least(option: str, value: object, least: float) -> None:
    """Refuse a number that is too small or no number; None passes.

    Args:
        option: Its name, for the message.
        value: As it was given.
        least: The smallest allowed.

    Raises:
        ConfigError: It is smaller, or not a number.
    """
    if value is None:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= float(str(value)) < math.inf:
        raise ConfigError(f"{option} {value!r:.60}: must be a number of at least {least:g}")


def check_items(option: str, value: object) -> None:
    """Refuse a number of items that is not a whole one of at least 2; None passes."""
    check_least(option, value, 2)
    if value is not None and not isinstance(value, int):
        raise ConfigError(f"{option} {value!r:.60}: must be a whole number")


def check_seed(seed: object) -> None:
    """Refuse what cannot seed a generator."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"--seed {seed!r:.60}: must be a whole number from 0 to {LARGEST_SEED}")


def check_risk(risk: object) -> None:
    """Refuse an accepted probability that nothing can be decided by."""
    # Loads pydantic, so not for --help.
    from driftline.results import LARGEST_RISK

    is_number = isinstance(risk, int | float) and not isinstance(risk, bool)
    if not is_number or not 0 < risk < LARGEST_RISK:  # type: ignore[operator]
        raise ConfigError(
            f"--risk {risk!r:.60}: must be a probability above 0 and below {LARGEST_RISK:g}, such as 0.1"
        )


def check_alpha(alpha: float) -> None:
    """Refuse a level at which no test says anything."""
    # Loads numpy, so not for --help.
    from driftline.stats import SMALLEST_ALPHA

    check_least("--alpha", alpha, 0)
    if not SMALLEST_ALPHA <= alpha <= 0.5:
        raise ConfigError(
            f"--alpha: {alpha:g} must lie between {SMALLEST_ALPHA:g} and 0.5; 0.05 is usual"
        )


def path_of(value: object, option: str) -> Path | None:
    """Read a path.

    Args:
        value: A text or a path; None for none.
        option: Its name, for the message.

    Returns:
        The path; None for none.

    Raises:
        ConfigError: It is neither.
    """
    if value is None:
        return None
    if isinstance(value, str | PathLike):
        return Path(fspath(value))
    raise ConfigError(f"{option}: is a {type(value).__name__}; give a path")


def read_suites(suites: SuiteInput, reporter: "Reporter") -> tuple["Suite", ...]:
    """Read the suites, before anything heavy is loaded: a typo costs no wait.

    Args:
        suites: One name or `Suite`, or several.
        reporter: Told about it.

    Raises:
        SuiteError: One of them is not right or holds no capability, or there is none.
    """
    from driftline.capabilities import Suite, read_suite

    reporter.note("reading the suites")
    given = [suites] if isinstance(suites, str | PathLike | Suite) else list(suites)
    if not given:
        raise SuiteError("no suite is named; give core, a YAML file or lm_eval:TASK with --suite")
    for each in given:
        if not isinstance(each, str | PathLike | Suite):
            raise SuiteError(f"{each!r:.60}: is no suite; give a name, a file or a Suite")
        if isinstance(each, Suite) and not each.capabilities:
            raise SuiteError(f"suite {each.name}: holds no capability; give it at least one")
    return tuple(each if isinstance(each, Suite) else read_suite(fspath(each)) for each in given)


def suite_names(suites: SuiteInput) -> tuple[str, ...]:
    """List the suites as they were named, for files that name them again."""
    given = [suites] if isinstance(suites, str | PathLike) or hasattr(suites, "name") else suites
    return tuple(fspath(s) if isinstance(s, str | PathLike) else str(s.name) for s in given)


def read_config(config: ConfigInput, name: str = "config in memory") -> "TrainingConfig":
    """Read a training config from a file or from memory.

    Args:
        config: A path, a dict of TRL's fields, or an `SFTConfig`.
        name: The name of one in memory, for messages and documents.

    Raises:
        ConfigError: It cannot be used.
    """
    from driftline.models import config_in_memory, read_training_config

    if isinstance(config, str | PathLike):
        return read_training_config(Path(fspath(config)))
    return config_in_memory(config, name)


def read_rows(
    source: DataInput, config: "TrainingConfig | None", columns: str | Mapping[str, str] | None
) -> tuple["TrainingData", tuple[str, ...]]:
    """Read the rows that are given, or that the config names.

    Args:
        source: What is given; None leaves it to the config.
        config: May name data itself; None where there is no config.
        columns: How columns are to be called.

    Returns:
        The rows, and what is to be said about them.

    Raises:
        ConfigError: Neither names any data.
        DataError: They cannot be used.
    """
    from driftline.models import read_columns, read_named_data, read_training_data

    renamed = read_columns(columns) if isinstance(columns, str | None) else columns
    values = {} if config is None else config.values
    named = [key for key in ("datasets", "dataset_name") if values.get(key)]
    if source is not None:
        data = read_training_data(source, config=config, columns=renamed)
        notes = tuple(f"{key}: set aside, --data names the data" for key in named)
        return data, (*notes, *data.notes)
    if config is None:
        raise ConfigError("no data is named; add --data, or --config with a file that names some")
    result = read_named_data(config, columns=renamed)
    if result is None:
        raise ConfigError(
            f"{config.name}: names no data; add --data, or dataset_name to the config"
        )
    return result, result.notes


def check_probe(config: "TrainingConfig", reporter: "Reporter") -> None:
    """Refuse a config that no probe can follow, and say what the probe leaves out.

    Args:
        config: The user's.
        reporter: Where to say it.

    Raises:
        ConfigError: Training would break off, or there is no plan to look ahead along.
    """
    from driftline.models import check_training, output_faults

    config.check_plan()
    config.set_environment()
    check_training(config)
    for note in (*config.probe_notes(), *output_faults(config)):
        reporter.say(note)


@contextlib.contextmanager
def run_folder(
    out: object,
    identity: "JsonValue",
    *,
    outputs: tuple[str, ...],
    force: bool,
    command: str,
    model: str,
    reads: Sequence[object] = (),
    replaced: Sequence[str] = (),
) -> Iterator["RunFolder"]:
    """Open the run folder, or a temporary one where none is named, which is removed at the end.

    Args:
        out: The folder; None for a temporary one.
        identity: All that the outcome depends on.
        outputs: Names of the files that a finished run holds.
        force: Replace what an earlier run left there.
        command: The question, for people.
        model: The model, for people.
        reads: The other inputs, as they were given.
        replaced: What the run may replace in the folder besides its outputs, by name.

    Raises:
        OutputError: It cannot be used, or the run would replace an input of its own.
    """
    import tempfile

    from driftline.engine import RunFolder

    with contextlib.ExitStack() as stack:
        path = path_of(out, "--out")
        if path is None:
            kept = stack.enter_context(tempfile.TemporaryDirectory(prefix="driftline-run-"))
            path = Path(kept) / "run"
        probe = {str(file.parent.relative_to(path)) for file in RunFolder(path).probe_files()}
        check_kept(path, (*RunFolder.own_names(outputs), *probe, *replaced), (model, *reads))
        yield stack.enter_context(
            RunFolder.open(
                path, identity, outputs=outputs, force=force, command=command, model=model
            )
        )


def finite(option: str, value: object) -> None:
    """Refuse a number that is none, or infinite; None passes."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{option}: {value!r:.60} is not a finite number")


def one_or_more(value: object, option: str) -> Sequence[str]:
    """Read one text or several; anything else is refused."""
    if isinstance(value, str):
        return (value,)
    result = list(value) if isinstance(value, Sequence) else [None]
    if not all(isinstance(each, str) for each in result):
        raise DataError(f"{option}: {value!r:.60} is not a text or a list of texts")
    return tuple(str(each) for each in result)
