"""The probe's checkpoint as it stands in the document."""

from ...models import Trajectory, checkpoint_files
from ...results import KeptCheckpoint


def kept_checkpoint(trajectory: Trajectory) -> KeptCheckpoint | None:
    """Describe the checkpoint that a trajectory has kept.

    Cost: reading it once, for the digests.

    Args:
        trajectory: Start of the planned run; trained.

    Returns:
        None where none is kept.
    """
    path, folder = trajectory.checkpoint, trajectory.checkpoints
    if path is None or folder is None:
        return None
    files = checkpoint_files(path)
    return KeptCheckpoint(
        step=trajectory.kept_steps[-1],
        folder=f"{folder.name}/{path.name}",
        files=files,
        num_bytes=sum((path / name).stat().st_size for name in files),
    )


def checkpoint_caveats(trajectory: Trajectory) -> tuple[str, ...]:
    """Say why a checkpoint that was asked for is not kept."""
    if trajectory.checkpoints is None or (reason := trajectory.no_checkpoint) is None:
        return ()
    return (f"The probe's checkpoint was not kept: {reason}. Training begins at step 1.",)
