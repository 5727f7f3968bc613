"""`score`: the capabilities of one model, item by item."""

from typing import TYPE_CHECKING

from .. import inputs
from ..answers import Answer

if TYPE_CHECKING:
    from pydantic import JsonValue

OUTPUTS = ("scores.jsonl", "report.html", "report.json")


def score(  # noqa: PLR0913 - the inputs of a question
    model: inputs.ModelInput,
    *,
    suites: inputs.SuiteInput = ("core",),
    out: object = None,
    seed: int = 0,
    force: bool = False,
    trust_remote_code: bool = False,
    dtype: str | None = None,
    device_map: str | None = None,
    load_in: str | None = None,
    reporter: inputs.Reporter | None = None,
) -> Answer:
    """Score the capabilities of one model, item by item.

    Args:
        model: A folder, a `.gguf` file, a hub id, or `(model, tokenizer)` in memory.
        suites: Names, YAML files or `Suite` objects.
        out: Run folder with `scores.jsonl`, `report.json` and `report.html`; None leaves no file.
        seed: Random seed for Driftline's own sampling.
        force: Replace an earlier run in `out`.
        trust_remote_code: Let a checkpoint's own Python code run.
        dtype: `float32` (default) or `bfloat16`.
        device_map: `auto`, or one device.
        load_in: `4bit` or `8bit`.
        reporter: Told about progress.

    Returns:
        The answer.
    """
    inputs.check_seed(seed)
    reporter = reporter or inputs.SilentReporter()
    read = inputs.read_suites(suites, reporter)
    reporter.note("loading PyTorch and transformers")
    from driftline.analyses import ScoreRequest
    from driftline.analyses import score as score_model
    from driftline.report import render_scores
    from driftline.results import item_lines

    with inputs.handed_models() as handed:
        source, digest = handed.files(model, "model")
        choice = inputs.ModelChoice(source, trust_remote_code, dtype, device_map, load_in, digest)
        identity: JsonValue = {
            **choice.identity(),
            "part": "score",
            "suites": [suite.identity() for suite in read],
            "seed": seed,
        }
        with inputs.run_folder(
            out, identity, outputs=OUTPUTS, force=force, command="score", model=source,
            reads=(suites,),
        ) as folder:  # fmt: skip
            reporter.note(f"opening {source}")
            request = ScoreRequest(choice.open(), read, seed=seed)
            with inputs.shown(reporter, folder):
                scored = score_model(request, folder, listener=reporter.update)
            document = handed.named(scored.document)
            # The document comes last: a folder that holds it is a finished one.
            contents = (item_lines(scored.items), render_scores(document), document.to_json())
            folder.write_outputs(dict(zip(OUTPUTS, contents, strict=True)))
        return Answer(document, None if out is None else folder.path)
