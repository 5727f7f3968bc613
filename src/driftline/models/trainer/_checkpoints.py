"""Checkpoints of a planned run, as TRL's trainer writes and resumes them.

Weights or adapter are safetensors, and `trainer_state.json` is JSON. `optimizer.pt`, `scheduler.pt` and
`rng_state.pth` are torch's files, which transformers alone reads, with `weights_only`. The probe removes
`training_args.bin`, a pickle of its own arguments that no resume reads.
"""

import shutil
from pathlib import Path

import torch
import transformers
from torch import Tensor

from ...provenance import digest_file
from ._lever_trainer import LeverTrainer

_STATE = "trainer_state.json"
_MOMENTS = 2
"""Copies of the trained weights that Adam keeps."""
_SPARE_BYTES = 64 * 2**20
"""Allowance for the tokenizer and the other small files."""


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Return the folder of a step's checkpoint, named as the trainer does.

    Args:
        folder: Output folder of the trainer.
        step: Optimiser step.

    Returns:
        Folder of the checkpoint.
    """
    return folder / f"checkpoint-{step}"


def is_whole_checkpoint(path: Path) -> bool:
    """Tell whether a checkpoint was written to its end; the trainer's state is written last.

    Args:
        path: Folder of the checkpoint.

    Returns:
        False where it is not there.
    """
    return (path / _STATE).is_file()


def last_checkpoint(folder: Path) -> Path | None:
    """Find the latest whole checkpoint.

    Args:
        folder: Output folder of the trainer.

    Returns:
        Its folder; None where there is none.
    """
    result = [path.parent for path in folder.glob(f"checkpoint-*/{_STATE}")]
    return max(result, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


def remove_pickle(path: Path) -> None:
    """Remove the trainer's pickled arguments from a checkpoint."""
    (path / "training_args.bin").unlink(missing_ok=True)


def checkpoint_files(path: Path) -> dict[str, str]:
    """Digest the files of a checkpoint.

    Cost: reading them once.

    Args:
        path: Folder of the checkpoint.

    Returns:
        Name to digest.
    """
    return {file.name: digest_file(file) for file in sorted(path.iterdir()) if file.is_file()}


def start_weights(trainer: LeverTrainer) -> dict[str, Tensor]:
    """Copy the weights that a run starts from, before a checkpoint is loaded into them.

    Args:
        trainer: Has not trained yet.

    Returns:
        Each trained weight by its name in the trainer's model: that of the base where it is the same,
        else a copy.
    """
    base, result = dict(trainer.base.model.named_parameters()), {}
    for name, weight in trainer.model.named_parameters():
        if not weight.requires_grad:
            continue
        same = base.get(name)
        has_shape = same is not None and same.shape == weight.shape
        if (
            same is not None
            and has_shape
            and torch.equal(same.detach().to(weight), weight.detach())
        ):
            result[name] = same.detach()
        else:
            result[name] = weight.detach().clone()
    return result


def no_room_for_checkpoint(trainer: LeverTrainer, folder: Path) -> str | None:
    """Estimate a checkpoint's size, and compare it with half of the free disk.

    Args:
        trainer: Has not trained yet.
        folder: Exists, on the disk that would hold it.

    Returns:
        Reason to keep none; None where it fits.
    """
    needed = _estimated_bytes(trainer) + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if needed <= free / 2:
        return None
    return f"it would take {needed / 1e9:.2f} GB, more than half of the {free / 1e9:.2f} GB free on its disk"


def _estimated_bytes(trainer: LeverTrainer) -> int:
    weights = list(trainer.model.parameters())
    trained = sum(w.numel() * w.element_size() for w in weights if w.requires_grad)
    whole = sum(w.numel() * w.element_size() for w in weights)
    # An adapter is saved without its base.
    saved = whole if isinstance(trainer.model, transformers.PreTrainedModel) else trained
    return int(saved + _MOMENTS * trained)
