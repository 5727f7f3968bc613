"""Engine whose points are computed by a pool of Ray actors."""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ...models import LanguageModel, ScoringOptions, travelling_point
from ...results import Numerics
from ..evaluation import Engine, LocalEngine, Meter, Pending, Scored
from ..storage import ResultStore
from ._ray_session import RayOptions, pool_shape, ray_session
from ._worker import Job, Task
from ._worker_pool import WorkerPool


@dataclass
class RayEngine(Engine):
    """Engine that computes on Ray actors, each with a copy of the model; it stores locally."""

    pool: WorkerPool = field(kw_only=True)
    directions: Path = field(kw_only=True)
    """Folder in which directions become files that can be sent."""

    @property
    def numerics(self) -> Numerics:
        """Settings of the workers on which the scores depend, other than weights and items."""
        return self.pool.numerics

    def check_unchanged(self) -> None:
        """Check that the model here and in every worker is bit for bit the one that was opened.

        Raises:
            ModelError: One is not.
        """
        self.opened.check_unchanged()
        self.pool.check_unchanged()

    def _compute(self, pending: Sequence[Pending]) -> Generator[Scored, None, None]:
        for scored in self.pool.run(pending, self._task):
            self.meter.advance(sum(scores.num_tokens for scores in scored.scores))
            yield scored

    def _task(self, work: Pending) -> Task:
        point = travelling_point(self.opened, work.point, self.directions)
        return Task(point, tuple(self.scorer.tokens_digest(c) for c in work.capabilities))


@contextlib.contextmanager
def ray_workers(
    opened: LanguageModel, options: ScoringOptions, ray_options: RayOptions
) -> Iterator[WorkerPool]:
    """Run a pool of workers while the block runs, on a cluster or on a local Ray.

    Args:
        opened: Model; each worker opens a copy by its source.
        options: Settings of scoring.
        ray_options: Address of Ray and resources per worker.

    Yields:
        The pool; its workers open their models meanwhile.

    Raises:
        ConfigError: Ray is not installed, no cluster answers, or it has not what is asked for.
        RunError: Ray cannot start on this machine.
    """
    with ray_session(ray_options.address) as ray:
        has = ray.cluster_resources()
        shape = pool_shape(
            ray_options,
            cpus=has.get("CPU", 0.0),
            gpus=has.get("GPU", 0.0),
            threads=torch.get_num_threads(),
        )
        job = Job.like(opened, options, num_gpus=shape.num_gpus, num_threads=shape.num_threads)
        pool = WorkerPool(ray, job, shape, digest=opened.digest)
        try:
            yield pool
        finally:
            pool.stop()


@contextlib.contextmanager
def open_engine(
    opened: LanguageModel,
    store: ResultStore,
    options: ScoringOptions,
    meter: Meter,
    *,
    directions: Path,
    ray: RayOptions | None = None,
) -> Iterator[Engine]:
    """Open an engine while the block runs.

    Args:
        opened: The model.
        store: Store of scores.
        options: Settings of scoring.
        meter: Told about progress.
        directions: Folder in which directions become files, if they must be sent.
        ray: Compute on Ray; None for this process.

    Yields:
        The engine.

    Raises:
        ConfigError: Ray is not installed, no cluster answers, or it has not what is asked for.
        RunError: Ray cannot start on this machine.
    """
    if ray is None:
        yield LocalEngine(opened, store, options, meter)
        return
    meter.enter("starting Ray")
    with ray_workers(opened, options, ray) as pool:
        yield RayEngine(opened, store, options, meter, pool=pool, directions=directions)
