"""Which model, and how it is held: the options that every command with a model takes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.models import LanguageModel

DtypeName = Literal["float32", "bfloat16"]
LoadInName = Literal["4bit", "8bit"]

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
    bool, typer.Option("--trust-remote-code", help="Let a checkpoint's own Python code run.")
]
DtypeOption = Annotated[
    DtypeName | None,
    typer.Option("--dtype", help="Hold the weights so; float32 if not given."),
]
DeviceMapOption = Annotated[
    str | None,
    typer.Option(
        "--device-map",
        help="auto: spread a model that is larger than one GPU; or one device, such as cuda:1.",
    ),
]
LoadInOption = Annotated[
    LoadInName | None,
    typer.Option("--load-in", help="Quantise the base as it is opened; needs bitsandbytes."),
]


@dataclass(frozen=True)
class ModelChoice:
    """A model as the user named it, and how it is to be held."""

    source: str
    trust_remote_code: bool = False
    dtype: DtypeName | None = None
    device_map: str | None = None
    load_in: LoadInName | None = None

    def open(self) -> "LanguageModel":
        """Open it.

        Returns:
            The model.

        Raises:
            ModelError: There is no such model, or it cannot be held so.
        """
        # Heavy, and not needed for --help.
        from driftline.models import Placement, named_dtype, open_model

        return open_model(
            self.source,
            trust_remote_code=self.trust_remote_code,
            dtype=named_dtype(self.dtype),
            placement=Placement(self.device_map),
            load_in=self.load_in,
        )

    def identity(self) -> dict[str, "JsonValue"]:
        """What of it an answer depends on; on which device it lies is not part of that."""
        return {"model": self.source, "dtype": self.dtype, "load_in": self.load_in}
