"""Snapshots of the trained weights on disk: that of step 0, a ring of safe ones, and quarantine."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...errors import OutputError, RunError
from ._sharded import is_main, is_sharded, local, rank, trained_parameters, wait_for_all
from ._untouched import put

_BASE = "step-000000"


class SnapshotRing:
    """Trained weights at some steps: an adapter's alone where one is trained.

    Sharded models write one file a process; others one in all, which every process must be able to
    read. The ring drops its own oldest safe snapshot. What is not safe goes into quarantine and is
    never deleted.
    """

    def __init__(self, folder: Path, *, capacity: int) -> None:
        """Set the folder.

        Args:
            folder: Holds `snapshots/` and `quarantine/`.
            capacity: Safe snapshots in addition to that of step 0; 0: none is written.
        """
        self._snapshots, self._quarantine = folder / "snapshots", folder / "quarantine"
        self._capacity = capacity

    @property
    def base(self) -> Path | None:
        """The folder of step 0's weights; None where none is kept."""
        return self._snapshots / _BASE if self._capacity else None

    def steps(self) -> list[int]:
        """List the steps that have a complete snapshot, ascending."""
        if not self._snapshots.is_dir():
            return []
        names = [path.name for path in self._snapshots.iterdir()]
        return sorted(int(n.removeprefix("step-")) for n in names if not n.endswith(".partial"))

    def save(self, model: torch.nn.Module, step: int) -> None:
        """Store the weights of a safe step; the oldest one, except step 0, is deleted."""
        if not self._capacity:
            return
        self._write(model, self._snapshots / _name(step))
        if is_main():
            for old in [s for s in self.steps() if s > 0][: -self._capacity]:
                shutil.rmtree(self._snapshots / _name(old))

    def restore(self, model: torch.nn.Module, step: int) -> None:
        """Restore a snapshot's weights in the model, bit for bit.

        Args:
            model: The model in training.
            step: One of `steps`.

        Raises:
            RunError: The snapshot is not there, or not of this model.
        """
        path = self._snapshots / _name(step) / _file_name(model)
        held = _read(path)
        parameters = trained_parameters(model)
        if held.keys() != parameters.keys():
            raise RunError(f"{path}: holds other weights than those that are trained")
        put(parameters, lambda name, now: held[name].to(now.device))

    def set_apart(self, model: torch.nn.Module, step: int) -> Path:
        """Write the weights where the model now stands into quarantine."""
        target = self._quarantine / _name(step)
        while target.exists():
            target = target.with_name(target.name + "-again")
        # All processes must have seen the same before one of them makes the folder.
        wait_for_all()
        self._write(model, target)
        return target

    def _write(self, model: torch.nn.Module, target: Path) -> None:
        partial = target.with_name(target.name + ".partial")
        try:
            if is_main():
                # A run that is taken up again comes to the same steps again.
                for path in (partial, target):
                    shutil.rmtree(path, ignore_errors=True)
                partial.mkdir(parents=True)
            wait_for_all()
            if is_main() or is_sharded(model):
                weights = {n: local(p).contiguous() for n, p in trained_parameters(model).items()}
                file = partial / _file_name(model)
                save_file(weights, file)
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            wait_for_all()
            if is_main():
                partial.rename(target)
            wait_for_all()
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{target}: the snapshot cannot be written ({error})") from error


def quarantine_checkpoints(output_dir: Path, *, after: int) -> list[str]:
    """Move the trainer's checkpoints of later steps aside, so that no resume takes them.

    Args:
        after: The last safe step.

    Returns:
        The names of those that were moved, now in `quarantine/` there.
    """
    moved: list[str] = []
    if not is_main() or not output_dir.is_dir():
        return moved
    for path in sorted(output_dir.glob("checkpoint-*")):
        number = path.name.removeprefix("checkpoint-")
        if path.is_dir() and number.isdecimal() and int(number) > after:
            target = output_dir / "quarantine" / path.name
            while target.exists():
                target = target.with_name(target.name + "-again")
            target.parent.mkdir(exist_ok=True)
            path.rename(target)
            moved.append(path.name)
    return moved


class BaseWeights:
    """The trained weights at step 0, read from disk tensor by tensor, so that none stays in memory."""

    def __init__(self, model: torch.nn.Module, folder: Path) -> None:
        """Set the files."""
        self._model, self._path = model, folder / _file_name(model)

    def changes(self) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
        """Yield every trained parameter: name, itself, this process's part now, and at step 0."""
        with safe_open(self._path, framework="pt") as file:
            for name, parameter in trained_parameters(self._model).items():
                now = local(parameter)
                yield name, parameter, now, file.get_tensor(name).to(now.device)

    def change_of(self, name: str, module: torch.nn.Module) -> Tensor | None:
        """Return the change of a matrix; None if it is not trained.

        Args:
            name: Name of the module, in the model in training.
            module: A linear layer, or one with LoRA inside.

        Returns:
            dW, shape (outputs, inputs).
        """
        if isinstance(module, LoraLayer):
            return lora_change(module)
        weight = module.weight
        assert isinstance(weight, Tensor)
        if not weight.requires_grad:
            return None
        with safe_open(self._path, framework="pt") as file:
            key = f"{name}.weight"
            if key not in file.keys():  # noqa: SIM118 - it is no mapping
                return None
            before: Tensor = file.get_tensor(key)
            return weight.detach() - before.to(weight.device)


def lora_change(module: LoraLayer) -> Tensor | None:
    """Return the change of its matrix by a LoRA layer's active adapters; None if none is active.

    It is the change since step 0 where the adapter began at zero, as PEFT's own initialisation does.

    Returns:
        dW, shape (outputs, inputs).
    """
    active = [name for name in module.active_adapters if name in module.lora_A]
    if not active:
        return None
    with torch.no_grad():
        parts: list[Tensor] = [module.get_delta_weight(name) for name in active]
    return torch.stack(parts).sum(dim=0)


def _name(step: int) -> str:
    return f"step-{step:06d}"


def _file_name(model: torch.nn.Module) -> str:
    return f"weights-{rank()}.safetensors" if is_sharded(model) else "weights.safetensors"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        held: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path}: the snapshot cannot be read ({error})") from error
    return held
