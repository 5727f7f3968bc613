"""A pool of Ray actors: points distributed, lost workers replaced, failed points retried."""

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import ConfigError, DriftlineError, RunError
from ...provenance import driftline_version
from ...results import Numerics
from ..evaluation import Pending, Scored, Watched
from ._file_transfer import FileTransfer
from ._ray_session import PoolShape
from ._worker import Job, Lacking, SentFile, Task, Worker, WorkerFacts, WorkerLocation

MAX_ATTEMPTS = 3
"""Failures after which a point, or a pool whose workers die while opening, is given up."""
_PLACE_SECONDS = 600.0
"""Longest wait for the first worker; a cluster that grows on demand needs minutes."""
_FORGET_SECONDS = 10.0
_NUM_NAMED = 5
"""Points that an error names; the others are counted."""

MakeTask = Callable[[Pending], Task]


@dataclass
class _PooledWorker:
    """One worker of the pool."""

    handle: Any
    facts: WorkerFacts | None = None
    """None while its model opens."""

    @property
    def place(self) -> WorkerLocation:
        assert self.facts is not None
        return self.facts.place


@dataclass(frozen=True)
class _Assignment:
    """Task that a worker is busy with."""

    worker: _PooledWorker
    round: int = 0
    index: int = 0
    """Index of the point in its round."""
    task: Task | None = None
    """None while the model opens."""
    was_sent_files: bool = False


@dataclass(frozen=True)
class _Failure:
    """Failure of a task."""

    cause: Exception
    is_lost: bool
    """True if the worker died."""

    def __str__(self) -> str:
        first = (str(self.cause).strip().splitlines() or [""])[0]
        return f"{type(self.cause).__name__}: {first}"


@dataclass
class _Round:
    """The points of one evaluation."""

    pending: Sequence[Pending]
    waiting: deque[int]
    failures: dict[int, list[_Failure]] = field(default_factory=dict)

    def fail(self, index: int, failure: _Failure) -> None:
        """Retry the point after the others, or give it up."""
        causes = self.failures.setdefault(index, [])
        causes.append(failure)
        if len(causes) < MAX_ATTEMPTS:
            self.waiting.append(index)

    def raise_if_given_up(self) -> None:
        """Raise an error that names the points that failed for good."""
        lost = {i: causes[-1] for i, causes in self.failures.items() if len(causes) == MAX_ATTEMPTS}
        if not lost:
            return
        named = [f"{self.pending[i].point.label} ({cause})" for i, cause in lost.items()]
        more = f" and {len(named) - _NUM_NAMED} more" if len(named) > _NUM_NAMED else ""
        raise RunError(
            f"{len(lost)} of {len(self.pending)} points failed {MAX_ATTEMPTS} times: "
            f"{'; '.join(named[:_NUM_NAMED])}{more}. All others are stored; the same command tries "
            "only these again"
        )


class WorkerPool:
    """Pool of workers, each with a copy of the model."""

    def __init__(self, ray: Any, job: Job, shape: PoolShape, *, digest: str) -> None:  # noqa: ANN401
        """Start the workers; they open their models in the background."""
        self._ray = ray
        self._job = job
        self._shape = shape
        self._digest = digest
        self._here = ray.get_runtime_context().get_node_id()
        self._numerics: Numerics | None = None
        self._idle: list[_PooledWorker] = []
        self._busy: dict[Any, _Assignment] = {}
        self._round = 0
        self._deaths_while_opening = 0
        self._transfer = FileTransfer(ray)
        self._suites: dict[tuple[str, ...], Any] = {}
        self.attempts: Counter[str] = Counter()
        """Number of attempts per point, by its digest."""
        for _ in range(shape.num_workers):
            self._start_worker()

    @property
    def numerics(self) -> Numerics:
        """Settings on which the scores of every worker depend; waits for the first open model."""
        if self._numerics is None:
            self._wait_for_place()
        while self._numerics is None:
            self._finish(*self._next())
        return self._numerics

    def places(self) -> tuple[WorkerLocation, ...]:
        """Return the places of the workers whose models are open."""
        workers = [*self._idle, *(assignment.worker for assignment in self._busy.values())]
        return tuple(worker.place for worker in workers if worker.facts is not None)

    def run(self, pending: Sequence[Pending], make_task: MakeTask) -> Generator[Scored, None, None]:
        """Score points.

        Args:
            make_task: Makes the task of a point; called when a worker is free for it.

        Yields:
            Each point with its scores, as soon as it is done.

        Raises:
            RunError: A point failed three times, after all others are done; or no worker is left.
        """
        self._round += 1
        work = _Round(pending, deque(range(len(pending))))
        while work.waiting or self._is_in_round():
            while work.waiting and self._idle:
                index = work.waiting.popleft()
                assignment = _Assignment(
                    self._idle.pop(), self._round, index, make_task(pending[index])
                )
                self._assign(assignment, pending[index].capabilities)
            yield from self._take(work, *self._next())
        work.raise_if_given_up()

    def check_unchanged(self) -> None:
        """Check in every worker that its weights are unchanged since opening."""
        workers = [*self._idle, *(e.worker for e in self._busy.values() if e.worker.facts)]
        for reference in [worker.handle.finish.remote() for worker in workers]:
            failure = self._fetch(reference)
            # A worker that has died has no weights left to be wrong.
            if isinstance(failure, _Failure) and not failure.is_lost:
                raise failure.cause

    def stop(self) -> None:
        """Stop every worker, also one that is busy."""
        workers = [*self._idle, *(assignment.worker for assignment in self._busy.values())]
        if self._transfer.has_sent:
            references = [worker.handle.forget.remote() for worker in self._idle]
            self._ray.wait(references, num_returns=len(references), timeout=_FORGET_SECONDS)
        with contextlib.suppress(self._ray.exceptions.RayError):
            for worker in workers:
                self._ray.kill(worker.handle)
        self._idle.clear()
        self._busy.clear()

    def _start_worker(self) -> None:
        shape = self._shape
        environment = {"OMP_NUM_THREADS": str(shape.num_threads)}
        if shape.num_gpus == 0:
            # Ray hides no GPU from a worker that asks for none.
            environment["CUDA_VISIBLE_DEVICES"] = ""
        actor = self._ray.remote(Worker).options(
            num_cpus=shape.num_cpus,
            num_gpus=shape.num_gpus,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": environment},
        )
        worker = _PooledWorker(actor.remote())
        self._busy[worker.handle.open.remote(self._job)] = _Assignment(worker)

    def _wait_for_place(self) -> None:
        """Wait for workers; a model may open slowly, but a worker without a place never starts."""
        workers = [assignment.worker for assignment in self._busy.values()]
        references = [worker.handle.place.remote() for worker in workers]
        opened = [*self._busy, *references]
        ready, _ = self._ray.wait(opened, num_returns=1, timeout=_PLACE_SECONDS)
        if not ready:
            shape, has = self._shape, self._ray.cluster_resources()
            raise ConfigError(
                f"Ray gave no worker within {_PLACE_SECONDS:g} s: each needs {shape.num_cpus} CPUs "
                f"and {shape.num_gpus:g} GPUs, and the cluster has {has.get('CPU', 0):g} and "
                f"{has.get('GPU', 0):g}, in use or not"
            )

    def _is_in_round(self) -> bool:
        return any(e.task is not None and e.round == self._round for e in self._busy.values())

    def _next(self) -> tuple[_Assignment, Any]:
        """Wait for the next finished task, and return it with its outcome."""
        ready: list[Any] = []
        while not ready:
            # Short waits, so that Ctrl-C has an effect.
            ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=1.0)
        return self._busy.pop(ready[0]), self._fetch(ready[0])

    def _fetch(self, reference: Any) -> Any:  # noqa: ANN401 - whatever the worker gave back
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            return _Failure(cause, is_lost=False)
        except errors.RayError as error:
            return _Failure(error, is_lost=True)

    def _take(self, work: _Round, assignment: _Assignment, outcome: Any) -> Iterator[Scored]:  # noqa: ANN401
        """Handle the outcome of a task: scores, missing files, or a failure."""
        if assignment.task is None or assignment.round != self._round:
            self._finish(assignment, outcome)
            return
        pending = work.pending[assignment.index]
        if isinstance(outcome, Lacking) and not assignment.was_sent_files:
            again = replace(assignment, was_sent_files=True)
            self._assign(again, pending.capabilities, lacking=outcome.files)
            return
        self._finish(assignment, outcome)
        if isinstance(outcome, Lacking):
            lost = FileNotFoundError(f"{outcome.files[0].path}: did not arrive")
            outcome = _Failure(lost, is_lost=False)
        if isinstance(outcome, _Failure):
            work.fail(assignment.index, outcome)
        else:
            yield Scored(pending, outcome)

    def _finish(self, assignment: _Assignment, outcome: Any) -> None:  # noqa: ANN401
        """Free a worker for the next point, or replace it."""
        is_opening = assignment.worker.facts is None
        if isinstance(outcome, _Failure) and outcome.is_lost:
            self._ray.kill(assignment.worker.handle)
            self._deaths_while_opening += is_opening
            if self._deaths_while_opening >= MAX_ATTEMPTS:
                raise RunError(
                    f"Ray workers die while they open the model ({outcome}); is there memory for "
                    "its copies, and is Driftline installed on every node? All that was scored is "
                    "stored"
                ) from outcome.cause
            self._start_worker()
            return
        if is_opening:
            if isinstance(outcome, _Failure):
                raise _opening_error(outcome)
            self._check(outcome)
            assignment.worker.facts = outcome
            self._deaths_while_opening = 0
        self._idle.append(assignment.worker)

    def _check(self, facts: WorkerFacts) -> None:
        """Refuse a worker whose scores would differ from those of this process or of other workers."""
        host = facts.place.host
        if facts.driftline_version != driftline_version():
            raise ConfigError(
                f"Ray worker on {host}: has Driftline {facts.driftline_version} and this process "
                f"{driftline_version()}; install the same on every node"
            )
        if facts.digest != self._digest:
            raise ConfigError(
                f"Ray worker on {host}: {self._job.source} has other weights there ({facts.digest}) "
                f"than here ({self._digest}); copy the model to every node, or name a hub id with "
                "its @revision"
            )
        if self._numerics is None:
            self._numerics = facts.numerics
        if facts.numerics != self._numerics:
            raise ConfigError(
                f"Ray worker on {host}: computes with {_in_words(facts.numerics)} and the first "
                f"worker with {_in_words(self._numerics)}; their scores would not compare, so take "
                "nodes of one kind"
            )

    def _assign(
        self,
        assignment: _Assignment,
        capabilities: tuple[Watched, ...],
        *,
        lacking: Sequence[SentFile] = (),
    ) -> None:
        handle, task = assignment.worker.handle, assignment.task
        assert task is not None
        # The driver's own machine reads the files where they are.
        if assignment.worker.place.node != self._here:
            task = self._transfer.name_files(task)
        if not lacking:
            self.attempts[task.point.digest()] += 1
        received = [part for file in lacking for part in self._transfer.send(handle, file)]
        suite = tuple(capability.digest for capability in capabilities)
        if suite not in self._suites:
            self._suites[suite] = self._ray.put(capabilities)
        self._busy[handle.evaluate.remote(task, self._suites[suite], *received)] = assignment


def _opening_error(failure: _Failure) -> DriftlineError:
    if isinstance(failure.cause, DriftlineError):
        return failure.cause
    return RunError(f"a Ray worker cannot open the model ({failure})")


def _in_words(numerics: Numerics) -> str:
    return (
        f"{numerics.compute_dtype} on {numerics.device}, {numerics.num_threads} threads, torch "
        f"{numerics.torch_version}, transformers {numerics.transformers_version}, model config "
        f"{numerics.config_digest}"
    )
