"""The files of the two models that are compared, as documents name them."""

from ..models import Checkpoint, LanguageModel, model_files
from ..provenance import digest_file
from ..results import SourceProvenance, Subject


def base_subject(opened: LanguageModel) -> Subject:
    """The base, with the digests of the files that it was opened from."""
    files = model_files(opened.source)
    return Subject(
        source=opened.source,
        revision=opened.revision,
        kind="model",
        files=tuple(SourceProvenance(name=f.name, digest=digest_file(f)) for f in files),
    )


def tuned_subject(checkpoint: Checkpoint) -> Subject:
    """The tuned model or adapter, likewise."""
    return Subject(
        source=checkpoint.source,
        revision=checkpoint.revision,
        kind="adapter" if checkpoint.is_adapter else "model",
        files=tuple(SourceProvenance(name=f.name, digest=digest_file(f)) for f in checkpoint.files),
    )
