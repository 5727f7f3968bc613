"""Process of a Ray worker: its own copy of the model, and one point per call.

Nothing here imports Ray when it is loaded; `ray.remote` wraps the class where the pool is made.
"""

import importlib
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from ...choices import LoadIn
from ...errors import DriftlineError, RunError
from ...models import (
    LanguageModel,
    Placement,
    Point,
    ScoringOptions,
    numerics,
    open_model,
    with_files_at,
)
from ...provenance import digest_file, driftline_version
from ...results import Numerics
from ..evaluation import CapabilityScorer, Pending, Watched
from ..storage import StoredScores


@dataclass(frozen=True)
class Job:
    """Instructions for a worker to open its copy of the model."""

    source: str
    trust_remote_code: bool
    dtype: torch.dtype | None
    device_map: str | None
    load_in: LoadIn | None
    options: ScoringOptions
    num_threads: int
    cache_name: str
    """Name of the folder, in the node's temporary one, for files that the driver sends."""

    @classmethod
    def like(
        cls, opened: LanguageModel, options: ScoringOptions, *, num_gpus: float, num_threads: int
    ) -> "Job":
        """Return the job of opening another copy of a model."""
        path, held = Path(opened.source), opened.model.get_input_embeddings().weight.dtype
        return cls(
            str(path.absolute()) if path.exists() else opened.source,
            opened.trust_remote_code,
            # Packed layers compute in the requested dtype, whatever dtype the rest has.
            held if opened.load_in is None else opened.asked_dtype,
            "auto" if num_gpus > 1 else None,
            opened.load_in,
            options,
            num_threads,
            f"driftline-{os.urandom(8).hex()}",
        )


class WorkerLocation(NamedTuple):
    """Location of a worker."""

    node: str
    host: str
    pid: int


class WorkerFacts(NamedTuple):
    """Description of a worker once its model is open."""

    place: WorkerLocation
    digest: str
    numerics: Numerics
    driftline_version: str


class SentFile(NamedTuple):
    """A file of the driver's, by its content."""

    path: Path
    digest: str


class Task(NamedTuple):
    """One point for one worker."""

    point: Point
    """A travelling one."""
    token_digests: tuple[str, ...]
    """Digest of each of its capabilities, as the driver's tokenizer makes them."""
    files: tuple[SentFile, ...] = ()
    """Files that the point reads, for a worker that may not see the driver's disk."""


class Lacking(NamedTuple):
    """Answer of a worker that lacks files of a task."""

    files: tuple[SentFile, ...]


class Worker:
    """A process with its own copy of the model."""

    def __init__(self) -> None:
        """Do nothing yet: an error here could not be reported to the driver in words."""
        self._scorer: CapabilityScorer | None = None
        self._cache = Path(tempfile.gettempdir()) / "driftline"
        self._places: dict[SentFile, Path] = {}

    def place(self) -> WorkerLocation:
        """Return the location of this worker."""
        node = importlib.import_module("ray").get_runtime_context().get_node_id()
        return WorkerLocation(node, socket.gethostname(), os.getpid())

    def open(self, job: Job) -> WorkerFacts:
        """Open the model."""
        torch.set_num_threads(job.num_threads)
        self._cache = Path(tempfile.gettempdir()) / job.cache_name
        try:
            opened = open_model(
                job.source,
                trust_remote_code=job.trust_remote_code,
                dtype=job.dtype,
                placement=Placement(job.device_map),
                load_in=job.load_in,
            )
        except DriftlineError as error:
            raise type(error)(f"Ray worker on {socket.gethostname()}: {error}") from error
        self._scorer = CapabilityScorer(opened, job.options)
        return WorkerFacts(
            self.place(), opened.digest, numerics(opened, job.options), driftline_version()
        )

    def evaluate(
        self, task: Task, capabilities: tuple[Watched, ...], *_received: None
    ) -> tuple[StoredScores, ...] | Lacking:
        """Score one point.

        Args:
            capabilities: Capabilities to score and anchors to read there.
            _received: Results of `receive`, so that a file that could not be written fails
                the task that needs it.

        Returns:
            The scores of each capability, or the files that must be sent first.

        Raises:
            RunError: The tokenizer of this node makes other tokens, or the point cannot be scored.
        """
        assert self._scorer is not None
        places = {file: self._find(file) for file in task.files}
        lacking = tuple(file for file, place in places.items() if place is None)
        if lacking:
            return Lacking(lacking)
        for capability, digest in zip(capabilities, task.token_digests, strict=True):
            if self._scorer.tokens_digest(capability) != digest:
                raise RunError(
                    f"capability {capability.name}: the tokenizer on {socket.gethostname()} makes "
                    "other tokens than the driver's; install the same versions on every node"
                )
        result = {file.path: place for file, place in places.items() if place is not None}
        work = Pending(with_files_at(task.point, result), capabilities)
        (scored,) = self._scorer.compute([work])
        return tuple(scored.scores)

    def receive(self, file: SentFile, chunk: bytes, *, is_first: bool, is_last: bool) -> None:
        """Receive a part of a file; the parts come in order.

        Args:
            file: File that it belongs to.
            chunk: Its next bytes.
            is_first: Begin the file.
            is_last: The file is whole now.

        Raises:
            RunError: The received file differs from the sent one.
        """
        self._cache.mkdir(exist_ok=True)
        target = self._cached(file)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb" if is_first else "ab") as opened:
            opened.write(chunk)
        if not is_last:
            return
        if digest_file(partial) != file.digest:
            partial.unlink()
            raise RunError(f"{file.path}: arrived on {socket.gethostname()} with other content")
        partial.replace(target)

    def finish(self) -> None:
        """Check that the weights are unchanged since opening, and delete the received files."""
        self.forget()
        if self._scorer is not None:
            self._scorer.opened.check_unchanged()

    def forget(self) -> None:
        """Delete the received files."""
        shutil.rmtree(self._cache, ignore_errors=True)
        self._places.clear()

    def _find(self, file: SentFile) -> Path | None:
        """Find the file on this node: at the driver's path, if disks are shared, or as received."""
        if file not in self._places:
            for path in (self._cached(file), file.path):
                # A path alone says nothing: another machine may have another file there.
                if path.is_file() and digest_file(path) == file.digest:
                    self._places[file] = path
                    break
        return self._places.get(file)

    def _cached(self, file: SentFile) -> Path:
        return self._cache / f"{file.digest.removeprefix('sha256:')}.safetensors"
