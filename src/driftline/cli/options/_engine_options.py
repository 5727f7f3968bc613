"""Who computes: the options that every command with points to evaluate takes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ...errors import ConfigError

if TYPE_CHECKING:
    from driftline.engine import RayOptions

EngineName = Literal["local", "ray"]

EngineOption = Annotated[
    EngineName,
    typer.Option("--engine", help="Compute in this process, or on Ray (driftline[ray])."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Of a running Ray cluster, host:port or auto; without it Ray starts on this machine.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="Ray workers, each with its own copy of the model; else one a GPU."
    ),
]
GpusOption = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        min=0,
        help="Over 1 a worker's copy is spread over them; below 1 shared.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads-per-worker", min=1, help="Scores of another number of threads count as others."
    ),
]


@dataclass(frozen=True)
class EngineChoice:
    """Who computes, as the user said it."""

    name: EngineName = "local"
    address: str | None = None
    num_workers: int | None = None
    gpus_per_worker: float | None = None
    threads_per_worker: int | None = None

    def ray_options(self) -> "RayOptions | None":
        """What the engine room takes: None for this process.

        Returns:
            The options.

        Raises:
            ConfigError: Ray is not installed, or an option of Ray's was given without it.
        """
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
