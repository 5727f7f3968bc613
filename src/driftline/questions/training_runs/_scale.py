"""`scale`: a protocol's scale of the update, for a model that another trainer has trained."""

from pathlib import Path

from ...errors import ConfigError
from .. import inputs
from ..answers import Answer
from ..inputs import ModelInput


def scale(
    model: inputs.ModelInput,
    *,
    protocol: object,
    base: ModelInput = None,
    out: object = None,
    force: bool = False,
    trust_remote_code: bool = False,
    reporter: inputs.Reporter | None = None,
) -> Answer:
    """Apply a protocol's scale of the update to what was trained by it elsewhere.

    `train` does so itself. Other trainers do not support it, so a plan's protocol that they train is
    whole only after this.

    Args:
        model: The trained model or adapter: a folder, a hub id, or in memory.
        protocol: The `protocol.yaml` of a plan, or a mapping as it holds.
        base: What it was trained from; None takes the protocol's.
        out: Folder of the new model.
        force: Replace an earlier result in `out`.
        trust_remote_code: Let a checkpoint's own Python code run.
        reporter: Told about progress.

    Returns:
        The answer.

    Raises:
        ConfigError: There is no folder to write to, no base, or no scale in the protocol.
    """
    reporter = reporter or inputs.SilentReporter()
    reporter.note("loading PyTorch and transformers")
    from driftline.training import (
        check_folder,
        check_scales,
        protocol_in_memory,
        read_protocol,
        scale_trained,
    )

    from ..documents import ScaledModel

    folder = inputs.path_of(out, "--out")
    if folder is None:
        raise ConfigError("--out: name the folder of the new model")
    is_file = isinstance(protocol, str | Path)
    name = str(protocol) if is_file else "protocol in memory"
    read = read_protocol(Path(name)) if is_file else protocol_in_memory(protocol)
    check_scales(read, name)
    with inputs.handed_models() as handed:
        tuned, _ = handed.files(model, "model")
        check_folder(folder, tuned, force=force)
        requested = read.model if base is None else base
        if requested is None:
            raise ConfigError(f"{name}: names no model; give what was trained from with --base")
        source, digest = handed.files(requested, "base")
        reporter.note(f"opening {source}")
        choice = inputs.ModelChoice(source, trust_remote_code, None, None, None, digest)
        made = scale_trained(read, tuned, choice.open(), folder)
        document = ScaledModel(
            base=source,
            tuned=tuned,
            protocol=name,
            folder=str(made.folder),
            kind=made.kind,
            interpolation=read.levers.interpolation,
            interpolated_modules=dict(read.levers.interpolated_modules),
        )
        return Answer(handed.named(document), folder)
