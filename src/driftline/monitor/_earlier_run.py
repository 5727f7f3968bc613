"""Leftovers of an earlier run: files in the monitor's folder, and state in the trainer's checkpoint."""

from pathlib import Path

from transformers import TrainerState

from ..errors import OutputError
from .detectors import MonitorState
from .handles import is_main, wait_for_all


def remembered(state: TrainerState, key: str) -> MonitorState | None:
    """Read what a monitor left in the checkpoint that a run resumes from.

    Args:
        state: The trainer's.

    Returns:
        Its state; None where the checkpoint was written without a monitor.
    """
    held = state.stateful_callbacks.get(key)
    memory = held.get("attributes", {}).get("memory") if isinstance(held, dict) else None
    return None if memory is None else MonitorState.from_value(memory)


def clear_folder(folder: Path, *, force: bool) -> None:
    """Create the monitor's folder; files of an earlier run are refused, or moved aside.

    Args:
        force: Move it aside, into `earlier-1`, `earlier-2`, and so on.

    Raises:
        OutputError: It holds an earlier run's files, and force is off.
    """
    if is_main():
        left = [path for path in folder.glob("*") if not path.name.startswith("earlier-")]
        if left and not force:
            raise OutputError(
                f"{folder}: holds an earlier run's monitor; give another folder with out=, or "
                "force=True to move it aside"
            )
        folder.mkdir(parents=True, exist_ok=True)
        if left:
            aside = folder / f"earlier-{1 + len(list(folder.glob('earlier-*')))}"
            aside.mkdir()
            for path in left:
                path.rename(aside / path.name)
    wait_for_all()
