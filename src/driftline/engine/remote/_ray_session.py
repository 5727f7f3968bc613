"""Connection to Ray, and the number of workers to request."""

import contextlib
import importlib
import importlib.util
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import ConfigError, RunError

_OBJECT_STORE_BYTES = 128 << 20
"""On one machine files are read where they are; only suites and scores go through the store."""

_PRIVATE = {
    # No telemetry.
    "RAY_USAGE_STATS_ENABLED": "0",
    # A local Ray serves this machine only, so it listens on the loopback address only. Read
    # when Ray is imported, and by its processes when they start.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


@dataclass(frozen=True)
class RayOptions:
    """Address of Ray and resources per worker. None: chosen by the resources of the cluster."""

    address: str | None = None
    """Address of a running cluster, `host:port` or `auto`; None starts Ray on this machine."""
    num_workers: int | None = None
    gpus_per_worker: float | None = None
    """GPUs per worker: above one, its weights are spread; below one, workers share a GPU."""
    threads_per_worker: int | None = None
    """CPU threads per worker. Changing it invalidates cached scores."""


class PoolShape(NamedTuple):
    """Number of workers, and the resources of each."""

    num_workers: int
    num_gpus: float
    num_threads: int
    num_cpus: int
    """CPUs that Ray reserves for a worker; fewer than its threads if there are not enough."""


def check_ray() -> None:
    """Refuse early if Ray is not installed.

    Raises:
        ConfigError: It is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("--engine ray: Ray is not installed; run: pip install 'driftline[ray]'")


def pool_shape(options: RayOptions, *, cpus: float, gpus: float, threads: int) -> PoolShape:
    """Choose the number of workers and their resources.

    By default one worker per GPU, or without GPUs as many as there are CPUs for; each with the threads
    of this process, or fewer if there are not enough CPUs.

    >>> pool_shape(RayOptions(), cpus=64, gpus=8, threads=32)
    PoolShape(num_workers=8, num_gpus=1.0, num_threads=8, num_cpus=8)

    Args:
        options: Choices of the user.
        cpus: CPUs of the cluster.
        gpus: GPUs of the cluster.
        threads: Threads of this process.

    Raises:
        ConfigError: Ray has not as many GPUs.
    """
    share = options.gpus_per_worker
    if share is None:
        share = 1.0 if gpus >= 1 else 0.0
    if share > 1 and share != int(share):
        raise ConfigError(f"--gpus-per-worker {share:g}: above 1 it must be a whole number")
    num_workers = options.num_workers
    if num_workers is None and share > 0:
        num_workers = int(gpus / share)
    elif num_workers is None:
        num_workers = max(1, int(cpus // (options.threads_per_worker or threads)))
    if num_workers < 1 or num_workers * share > gpus:
        raise ConfigError(
            f"{max(1, num_workers)} workers with {share:g} GPUs each: Ray has {gpus:g} GPUs; ask "
            "for less with --workers or --gpus-per-worker"
        )
    portion = int(cpus // num_workers)
    num_threads = options.threads_per_worker or max(1, min(threads, portion))
    return PoolShape(num_workers, share, num_threads, min(num_threads, portion))


@contextlib.contextmanager
def ray_session(address: str | None) -> Iterator[Any]:
    """Connect to Ray while the block runs; to the caller's own session, if there is one.

    Args:
        address: Address of a running cluster; None starts one on this machine and stops it at the end.

    Yields:
        The module `ray`.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers at the address.
        RunError: Ray cannot start on this machine.
    """
    check_ray()
    if address is not None and "://" in address:
        raise ConfigError(
            f"--address {address}: Ray's client protocol is not supported; run Driftline on a "
            "machine of the cluster with --address auto, or give host:port"
        )
    with contextlib.ExitStack() as stack:
        if address is None:
            stack.enter_context(_environment(_PRIVATE))
        ray = importlib.import_module("ray")
        if not ray.is_initialized():
            if address is None:
                folder = Path(tempfile.mkdtemp(prefix="driftline-ray-", dir=_short_folder()))
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                _start(ray, folder)
            else:
                _connect(ray, address)
            stack.callback(ray.shutdown)
        yield ray


def _start(ray: Any, folder: Path) -> None:  # noqa: ANN401 - a module that may be missing
    try:
        with _signals_kept():
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=str(folder),
            )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise RunError(f"--engine ray: Ray cannot start on this machine: {error}") from error


def _connect(ray: Any, address: str) -> None:  # noqa: ANN401 - a module that may be missing
    try:
        with _signals_kept():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(
            f"--address {address}: cannot be used ({error}); give the address that `ray start` "
            "printed, and install the same versions of Python and Ray on every node"
        ) from error


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment while the block runs; the user's own stay."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Restore the caller's SIGTERM handler, which Ray replaces when it starts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _short_folder() -> str | None:
    """Return a folder for Ray's sockets: their whole path may have about 100 characters at most."""
    return "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108 - a new folder of our own in it
