"""Which tensor belongs to which: names, ties, shapes, adapters."""

import pytest
import torch

from driftline.errors import ModelError
from driftline.models import pair_checkpoints
from tests import adapters, checkpoints, tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*save_embedding_layers.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*tie.*:UserWarning"),
]

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture
def save(tmp_path):
    def write(name, tensors, **options):
        return str(checkpoints.save(tmp_path / name, tensors, **options))

    return write


def without(tensors, *names):
    return {name: tensor for name, tensor in tensors.items() if name not in names}


def test_every_weight_is_paired_sharded_or_not(save):
    base, tuned = checkpoints.weights(), checkpoints.weights(1)
    whole = pair_checkpoints(save("b", base), save("t", tuned))
    parts = pair_checkpoints(save("bs", base, shards=2), save("ts", tuned, shards=3))
    assert {pair.name for pair in whole.pairs} == set(base)
    assert (whole.only_in_base, whole.only_in_tuned, whole.tied, whole.untied) == ((), (), (), ())
    sums = [{p.name: p.moments() for p in found.pairs} for found in (whole, parts)]
    assert sums[0] == sums[1]


def test_tensors_on_one_side_are_told(save):
    base, tuned = checkpoints.weights(), checkpoints.weights(1)
    lost, new = "model.layers.1.input_layernorm.weight", "model.layers.1.mlp.up_proj.bias"
    tuned[new] = torch.ones(24)
    found = pair_checkpoints(save("b", base), save("t", without(tuned, lost)))
    assert (found.only_in_base, found.only_in_tuned) == ((lost,), (new,))
    assert len(found.pairs) == len(base) - 1


def test_another_shape_is_named_with_the_mend(save):
    tuned = checkpoints.weights(1)
    tuned[EMBEDDING] = torch.ones(44, 16)
    with pytest.raises(ModelError, match=r"embed_tokens.weight has shape \(44, 16\).*resize"):
        pair_checkpoints(save("b", checkpoints.weights()), save("t", tuned))


def test_nothing_in_common_is_another_model(save):
    with pytest.raises(ModelError, match=r"its names \(other, ...\) are not those of"):
        pair_checkpoints(save("b", checkpoints.weights()), save("t", {"other": torch.ones(2)}))


@pytest.mark.parametrize("swap", [False, True])
def test_files_that_leave_out_the_bodys_name_fit(save, swap):
    base, tuned = checkpoints.weights(), checkpoints.weights(1)
    short = {name.removeprefix("model."): tensor for name, tensor in tuned.items()}
    sides = (save("b", base), save("t", short))
    found = pair_checkpoints(*(reversed(sides) if swap else sides))
    assert (found.only_in_base, found.only_in_tuned) == ((), ())
    assert {pair.role for pair in found.pairs} == {"embedding", "q", "up", "norm", "head"}
    assert {pair.layer for pair in found.pairs} == {None, 0, 1}


def test_two_names_for_one_weight_are_no_fit(save):
    tuned = checkpoints.weights(1)
    tuned["embed_tokens.weight"] = tuned[EMBEDDING].clone()
    with pytest.raises(ModelError, match="are not those of"):
        pair_checkpoints(save("b", checkpoints.weights()), save("t", tuned))


def test_a_tied_head_that_one_side_saves_too_counts_once(save):
    base, tuned = without(checkpoints.weights(), HEAD), checkpoints.weights(1)
    tuned[HEAD] = tuned[EMBEDDING].clone()
    for sides in ((base, tuned), (tuned, base)):
        found = pair_checkpoints(
            *(save(n, s, tie_word_embeddings=True) for n, s in zip("bt", sides, strict=True))
        )
        assert (found.tied, found.untied) == ((HEAD,), ())
        assert HEAD not in {pair.name for pair in found.pairs}
        assert (found.only_in_base, found.only_in_tuned) == ((), ())


def test_both_save_a_tied_head(save):
    base, tuned = checkpoints.weights(), checkpoints.weights(1)
    for side in (base, tuned):
        side[HEAD] = side[EMBEDDING].clone()
    tied = [
        save(name, side, tie_word_embeddings=True) for name, side in (("b", base), ("t", tuned))
    ]
    assert pair_checkpoints(*tied).tied == (HEAD,)
    # Two weights that happen to be equal are two weights.
    apart = [save("b2", base), save("t2", tuned)]
    assert pair_checkpoints(*apart).tied == ()


def test_a_head_that_tuning_untied_is_held_against_the_embedding(save):
    base, tuned = without(checkpoints.weights(), HEAD), checkpoints.weights(1)
    found = pair_checkpoints(save("b", base, tie_word_embeddings=True), save("t", tuned))
    assert (found.tied, found.untied) == ((), (HEAD,))
    pair = next(pair for pair in found.pairs if pair.name == HEAD)
    assert torch.allclose(pair.change(), tuned[HEAD] - base[EMBEDDING])
    assert pair.role == "head"


def test_an_adapter_leaves_the_rest_alone(model_folder, tmp_path):
    adapters.adapt(tiny.model()).save_pretrained(tmp_path)
    found = pair_checkpoints(str(model_folder), str(tmp_path))
    moved = [pair for pair in found.pairs if pair.moments().change_squared > 0]
    assert {pair.role for pair in moved} == {"q", "v"}
    assert len(found.pairs) == 21
    for pair in moved:
        dense = float((pair.change().double() ** 2).sum())
        assert pair.moments().change_squared == pytest.approx(dense, rel=1e-5)
        assert pair.rounding_floor is None
    still = next(pair for pair in found.pairs if pair.role == "norm")
    assert not still.change().any()
    assert still.tuned_dtype == still.base_dtype == "float32"


@pytest.mark.parametrize(
    "fields",
    [
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
        {"target_modules": ["embed_tokens"]},
        {"target_modules": ["lm_head"]},
    ],
    ids=str,
)
def test_an_adapter_on_one_of_two_tied_weights_is_refused(tmp_path, fields):
    tiny.model("llama-tied").save_pretrained(tmp_path / "base")
    adapters.adapt(tiny.model("llama-tied"), **fields).save_pretrained(tmp_path / "a")
    with pytest.raises(ModelError, match=r"ties to another weight.*\n *import torch"):
        pair_checkpoints(str(tmp_path / "base"), str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"hidden_size": 16, "head_dim": 4}, r"size mismatch for model\.layers\.0"),
        ({"num_hidden_layers": 3}, r"no place for it; it was made for another model"),
    ],
    ids=str,
)
def test_an_adapter_of_another_model_is_refused(model_folder, tmp_path, sizes, reason):
    adapters.adapt(tiny.model(**sizes)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=reason):
        pair_checkpoints(str(model_folder), str(tmp_path))


def test_an_adapter_is_no_base(model_folder, tmp_path):
    adapters.adapt(tiny.model()).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is an adapter, not a base model"):
        pair_checkpoints(str(tmp_path), str(model_folder))


def test_an_embedding_that_moved_beneath_its_factors_is_refused(tmp_path):
    tiny.model().save_pretrained(tmp_path / "base")
    adapters.adapt(tiny.model(seed=5), target_modules=["embed_tokens"]).save_pretrained(
        tmp_path / "a"
    )
    with pytest.raises(ModelError, match=r"embed_tokens.weight moved beneath its own factors"):
        pair_checkpoints(str(tmp_path / "base"), str(tmp_path / "a"))
