"""The files of the two models that are compared, as documents name them."""

from collections.abc import Sequence

from ...model_files import certified_name
from ...models import LanguageModel, OpenedFiles, TunedModel
from ...results import SourceProvenance, Subject


def base_subject(opened: LanguageModel) -> Subject:
    """Describe the base by the files that it was opened from.

    Returns:
        Its source, and each file with the digest that it had on opening.
    """
    return Subject(
        source=opened.source, revision=opened.revision, kind="model", files=_files(opened.files)
    )


def tuned_subject(tuned: TunedModel) -> Subject:
    """Describe the tuned model or adapter by the files that it was opened from."""
    checkpoint = tuned.checkpoint
    return Subject(
        source=checkpoint.source,
        revision=checkpoint.revision,
        kind="adapter" if checkpoint.is_adapter else "model",
        files=_files(tuned.files),
    )


def stray_caveats(opened: LanguageModel, unloaded: Sequence[str] = ()) -> tuple[str, ...]:
    """Name what the files hold and nothing here reads.

    Args:
        opened: The base; files with other weights may lie beside it.
        unloaded: Stored tensors that differ between the models, and that their class does not load.

    Returns:
        Sentences.
    """
    result = []
    if names := opened.files.strays:
        result.append(
            f"{', '.join(names)}: lie in the base's folder and were not read, as transformers would not "
            "read them; a loader of another library might."
        )
    if unloaded:
        shown = ", ".join(unloaded[:3]) + (", ..." if len(unloaded) > 3 else "")
        result.append(
            f"Stored tensors that the model's class does not load differ from the base's ({len(unloaded)}: "
            f"{shown}). No score depends on them, so nothing here is said of them."
        )
    return tuple(result)


def _files(opened: OpenedFiles) -> tuple[SourceProvenance, ...]:
    return tuple(
        SourceProvenance(name=certified_name(path), digest=digest)
        for path, digest in opened.digests.items()
    )
