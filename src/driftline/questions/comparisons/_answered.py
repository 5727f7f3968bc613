"""The end of both kinds of `compare`: the run folder, the comparison, its files."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import inputs
from ..answers import Answer
from ._compared_inputs import OUTPUTS, Options

if TYPE_CHECKING:
    from pydantic import JsonValue

    from driftline.engine import RunFolder
    from driftline.models import LanguageModel
    from driftline.results import Comparison, ConfigComparison

    Compare = Callable[[LanguageModel, RunFolder], Comparison | ConfigComparison]


def answered(
    choice: inputs.ModelChoice,
    identity: "dict[str, JsonValue]",
    options: Options,
    handed: inputs.Handed,
    compare: "Compare",
) -> Answer:
    """Compare in a run folder, and write summary, page and document.

    Args:
        choice: The base.
        identity: Inputs that a resumed run must share.
        options: The other inputs.
        handed: Keeps the files of models in memory.
        compare: Compares with the opened base, in the folder.
    """
    with inputs.run_folder(
        options.out, identity, outputs=OUTPUTS, force=options.force, command="compare",
        model=choice.source, reads=options.reads,
    ) as folder:  # fmt: skip
        options.reporter.note(f"opening {choice.source}")
        base = choice.open()
        with inputs.shown(options.reporter, folder):
            result = compare(base, folder)
        answer = Answer(handed.named(result), None if options.out is None else folder.path)
        from ..answers._shown import page_of, summary_of

        # The document comes last: a folder that holds it is a finished one.
        texts = (summary_of(answer.document), page_of(answer.document) or "", answer.to_json())
        folder.write_outputs(dict(zip(OUTPUTS, texts, strict=True)))
    return answer
