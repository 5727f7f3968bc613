"""`scale`: a protocol's scale of the update, for a model that another trainer has trained."""

from pathlib import Path
from typing import Annotated

import typer

from ...questions import scale as question
from .._question_command import Shown, question_command
from ..options import ForceOption, TrustOption

TrainedArgument = Annotated[
    Path,
    typer.Argument(
        help="The trained model or adapter, without the scale: a folder with safetensors, or a hub id."
    ),
]
ProtocolOption = Annotated[
    Path, typer.Option("--protocol", help="The protocol.yaml of the plan by which it was trained.")
]
BaseOption = Annotated[
    str | None,
    typer.Option("--base", help="What it was trained from; without it the protocol's model."),
]
NewOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the new model (default: MODEL with -scaled added)."),
]

scale = question_command(
    question,
    Shown(
        {
            "model": TrainedArgument,
            "protocol": ProtocolOption,
            "base": BaseOption,
            "out": NewOption,
            "force": ForceOption,
            "trust_remote_code": TrustOption,
        },
        {None: 0},
        default_folder=lambda values: Path(f"{str(values['model']).rstrip('/')}-scaled"),
    ),
    "Apply a protocol's scale of the update to what another trainer has trained by it; the trained model stays "
    "as it is.",
)
