"""The files of the two models that are compared, as documents name them."""

from collections.abc import Sequence

from ...model_files import OWN_GENERATION, certified_name, is_elsewhere, is_nested
from ...models import LanguageModel, OpenedFiles, TunedModel
from ...results import SourceProvenance, Subject

_ELSEWHERE = ", and no digest covers what lies in another place"


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


def file_caveats(
    opened: LanguageModel, tuned: TunedModel, unloaded: Sequence[str]
) -> tuple[str, ...]:
    """Say of the files of both models what was not checked, not read or not run.

    Args:
        opened: The base.
        tuned: The tuned model.
        unloaded: Stored tensors that differ between the models, and that their class does not load.

    Returns:
        Sentences.

    Raises:
        ModelError: A config cannot be read.
    """
    return (*tuned.caveats, *stray_caveats(opened, unloaded), *code_caveats(opened, tuned))


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


def code_caveats(opened: LanguageModel, tuned: TunedModel) -> tuple[str, ...]:
    """Name the Python code of the two models that did not run, and so had no part in any score.

    Args:
        opened: The base.
        tuned: The tuned model, whose scores are those of the base's code at its weights.

    Returns:
        A sentence for each model that has such code.

    Raises:
        ModelError: A config cannot be read.
    """
    ours, theirs = opened.files.code_files(), tuned.files.code_files()
    if opened.trust_remote_code:
        # The base's code ran. The tuned model's was compared with it where both fit into memory.
        of_base: tuple[str, ...] = ()
        of_tuned = tuple(
            name
            for name, digest in theirs.items()
            if ours.get(name) != digest
            and (name.startswith(f"{OWN_GENERATION}/") or not opened.can_be_merged_into)
        )
    else:
        of_base = (*opened.files.code(), *filter(is_nested, ours))
        of_tuned = (*tuned.files.code(), *filter(is_nested, theirs))
    both = (("base", of_base), ("tuned model", of_tuned))
    return tuple(_idle_caveat(whose, names) for whose, names in both if names)


def _idle_caveat(whose: str, names: Sequence[str]) -> str:
    elsewhere = any(is_elsewhere(name) and not is_nested(name) for name in names)
    return (
        f"{', '.join(names)}: Python code of the {whose}, which did not run here; a loader that trusts "
        f"it (trust_remote_code) may compute something else{_ELSEWHERE if elsewhere else ''}."
    )


def _files(opened: OpenedFiles) -> tuple[SourceProvenance, ...]:
    return tuple(
        SourceProvenance(name=certified_name(path), digest=digest)
        for path, digest in opened.digests.items()
    )
