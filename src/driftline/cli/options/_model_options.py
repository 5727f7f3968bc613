"""The model options, such as dtype and quantisation: taken by every command with a model."""

from typing import Annotated

import typer

from ...choices import Dtype, LoadIn
from ._panels import MODEL

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A folder with safetensors, a .gguf file, a hub id (owner/name@revision), or "
        "smollm2-135m.",
        show_default=False,
    ),
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Let a checkpoint's own Python code run.",
        rich_help_panel=MODEL,
    ),
]
DtypeOption = Annotated[
    Dtype | None,
    typer.Option("--dtype", help="Weight dtype (default: float32).", rich_help_panel=MODEL),
]
DeviceMapOption = Annotated[
    str | None,
    typer.Option(
        "--device-map",
        help="auto: spread a model that is larger than one GPU; or one device, such as cuda:1.",
        rich_help_panel=MODEL,
    ),
]
LoadInOption = Annotated[
    LoadIn | None,
    typer.Option(
        "--load-in",
        help="Quantise the base as it is opened; needs bitsandbytes.",
        rich_help_panel=MODEL,
    ),
]
