"""`diff`: the weights that tuning moved, and whether a merged model holds its adapter."""

from typing import TYPE_CHECKING, get_args

from ...choices import SpectraEffort
from .. import inputs
from ..answers import Answer

if TYPE_CHECKING:
    from pydantic import JsonValue

OUTPUTS = ("report.html", "report.json")


def diff(
    base: inputs.ModelInput,
    tuned: inputs.ModelInput,
    *,
    adapter: inputs.ModelInput = None,
    spectra: str = "fast",
    out: object = None,
    seed: int = 0,
    force: bool = False,
    reporter: inputs.Reporter | None = None,
) -> Answer:
    """Compare the weights of two checkpoints, streamed from disk.

    Args:
        base: A folder, a `.safetensors` file, a hub id, or `(model, tokenizer)` in memory.
        tuned: The same, or a LoRA adapter.
        adapter: An adapter that `tuned` is said to hold, merged into `base`.
        spectra: `none`, `fast` or `exact`.
        out: Folder for the report; None leaves no file.
        seed: Random seed of estimates.
        force: Replace an earlier run in `out`.
        reporter: Told about progress.

    Returns:
        The answer.
    """
    inputs.check_choice("--spectra", spectra, get_args(SpectraEffort))
    inputs.check_seed(seed)
    reporter = reporter or inputs.SilentReporter()
    reporter.note("loading PyTorch and transformers")
    # Heavy, and not needed for --help.
    from driftline.analyses import DiffRequest
    from driftline.analyses import diff as compare

    with inputs.handed_models() as handed:
        sides = [handed.files(base, "base"), handed.files(tuned, "tuned")]
        held = None if adapter is None else handed.files(adapter, "adapter")[0]
        request = DiffRequest(sides[0][0], sides[1][0], spectra, seed, held)  # type: ignore[arg-type]
        if out is None:
            with reporter.shown():
                return Answer(handed.named(compare(request, listener=reporter.update)))
        identity: JsonValue = {
            "part": "diff",
            "base": sides[0][1] or sides[0][0],
            "tuned": sides[1][1] or sides[1][0],
            "adapter": held,
            "spectra": spectra,
            "seed": seed,
        }
        with inputs.run_folder(
            out, identity, outputs=OUTPUTS, force=force, command="diff", model=sides[1][0],
            reads=(base, adapter),
        ) as folder:  # fmt: skip
            with reporter.shown():
                document = handed.named(compare(request, listener=reporter.update))
            from driftline.report import render_weight_diff

            contents = (render_weight_diff(document), document.to_json())
            folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
        return Answer(document, folder.path)
