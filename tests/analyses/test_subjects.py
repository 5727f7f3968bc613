"""The files of two models, as documents name them."""

from driftline.analyses._subjects import base_subject, tuned_subject
from driftline.models import open_checkpoint
from driftline.provenance import digest_file
from tests import adapters, tiny


def test_both_are_named_by_the_digests_of_their_files(opened, model_folder, tmp_path):
    base = base_subject(opened)
    assert (base.kind, base.source) == ("model", str(model_folder))
    weights = next(f for f in base.files if f.name == "model.safetensors")
    assert weights.digest == digest_file(model_folder / "model.safetensors")
    folder, _merged = adapters.save_both(tmp_path, tiny.model(), target_modules=["q_proj"])
    tuned = tuned_subject(open_checkpoint(folder))
    assert tuned.kind == "adapter"
    assert {f.name for f in tuned.files} == {"adapter_model.safetensors", "adapter_config.json"}
