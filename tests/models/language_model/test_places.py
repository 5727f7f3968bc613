"""A model is the same wherever its weights lie, and is moved and put back there bit for bit."""

import copy
import tempfile

import accelerate
import pytest
import torch

from driftline.errors import ConfigError, ModelError
from driftline.models import (
    BASE,
    LanguageModel,
    NoiseDirection,
    Placement,
    Point,
    Scorer,
    ScoringOptions,
    Term,
    TokenSequence,
    at_point,
    change_norms,
    generate_greedily,
    list_weights,
    open_model,
    plan_training,
    weights_digest,
)
from driftline.models.language_model._places import execution_device, list_places, tied_names
from tests import tiny
from tests.directions import open_tuned
from tests.models.runs import FULL, LORA, TEXTS

IDS = torch.tensor([[256, 1, 2, 3, 200, 100]])
NOISE = Point("noise", (Term(NoiseDirection(1), 0.1),))
OUTSIDE = ("model.embed_tokens", "lm_head", "model.norm", "model.rotary_emb")
SPLIT = dict.fromkeys((*OUTSIDE, "model.layers.0"), "cpu") | {"model.layers.1": "disk"}
OFFLOADED = {
    "all on disk": Placement({"": "disk"}),
    "one layer on disk": Placement(SPLIT),
    "what memory does not hold": Placement("auto", max_memory={"cpu": "100KB"}),
}
IN_MEMORY = {"auto": Placement("auto"), "by name": Placement("cpu"), "map": Placement({"": "cpu"})}


def logits(opened: LanguageModel) -> torch.Tensor:
    with torch.no_grad():
        return opened.model(IDS).logits


@pytest.fixture(params=["llama", "llama-tied"])
def plain(request, open_family):
    """The model with all weights in memory, to compare with."""
    return open_family(request.param)


@pytest.fixture(params=[*OFFLOADED, "in main memory"])
def offloaded(request, plain):
    """The same model with weights that are fetched for each pass."""
    if request.param in OFFLOADED:
        return open_model(plain.source, placement=OFFLOADED[request.param])
    # What `auto` does with main memory where there is a GPU.
    model = accelerate.cpu_offload(copy.deepcopy(plain.model), torch.device("cpu"))
    return LanguageModel(model, plain.tokenizer, plain.source, None, plain.digest)


@pytest.mark.parametrize("placement", IN_MEMORY.values(), ids=IN_MEMORY)
def test_a_map_onto_one_device_changes_nothing(plain, placement):
    mapped = open_model(plain.source, placement=placement)

    assert not mapped.is_offloaded
    assert (mapped.digest, mapped.weights) == (plain.digest, plain.weights)
    assert mapped.provenance() == plain.provenance()
    assert torch.equal(logits(mapped), logits(plain))


def test_a_model_is_the_same_wherever_its_weights_lie(plain, offloaded):
    assert offloaded.is_offloaded
    assert not offloaded.can_be_merged_into
    assert any(parameter.is_meta for parameter in offloaded.model.parameters())
    for _ in range(2):  # the first pass parts tied weights
        assert weights_digest(offloaded.model) == plain.digest
        assert list_weights(offloaded.model) == plain.weights
        assert tied_names(offloaded.model) == tied_names(plain.model)
        assert torch.equal(logits(offloaded), logits(plain))
    assert offloaded.provenance() == plain.provenance()
    assert offloaded.device == torch.device("cpu")


def test_a_point_is_the_same_wherever_the_weights_lie(plain, offloaded):
    base = logits(plain)
    with at_point(plain, NOISE), at_point(offloaded, NOISE):
        assert weights_digest(offloaded.model) == weights_digest(plain.model)
        moved = logits(offloaded)
        assert torch.equal(moved, logits(plain))
        assert torch.equal(logits(offloaded), moved)

    assert not torch.equal(moved, base)
    assert torch.equal(logits(offloaded), base)
    offloaded.check_unchanged()
    assert change_norms(offloaded, NoiseDirection(1)) == change_norms(plain, NoiseDirection(1))


def test_points_in_points_come_off_one_by_one(plain, offloaded):
    maps = [place.hook.weights_map for place in hooked(offloaded)]
    with at_point(plain, NOISE), at_point(offloaded, NOISE):
        outer = logits(offloaded)
        second = Point("second", (Term(NoiseDirection(2), 0.1),))
        with at_point(plain, second), at_point(offloaded, second):
            assert torch.equal(logits(offloaded), logits(plain))
            assert not torch.equal(logits(offloaded), outer)
        assert torch.equal(logits(offloaded), outer)
    assert all(a is p.hook.weights_map for a, p in zip(maps, hooked(offloaded), strict=True))


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_the_base_comes_back_when_the_block_raises(offloaded, error):
    base, maps = logits(offloaded), [place.hook.weights_map for place in hooked(offloaded)]

    def block():
        assert not torch.equal(logits(offloaded), base)
        raise error

    with pytest.raises(type(error)), at_point(offloaded, NOISE):
        block()

    assert all(a is p.hook.weights_map for a, p in zip(maps, hooked(offloaded), strict=True))
    assert torch.equal(logits(offloaded), base)


def test_a_pass_that_breaks_off_leaves_no_moved_weight_behind(plain, offloaded):
    head = offloaded.model.get_output_embeddings()

    def break_off(*_args):
        raise ValueError("in the pass")

    with at_point(offloaded, NOISE):
        handle = head.register_forward_hook(break_off)
        old = head.forward
        head.forward = break_off
        with pytest.raises(ValueError, match="in the pass"):
            logits(offloaded)
        head.forward = old
        handle.remove()
    offloaded.check_unchanged()
    with at_point(plain, NOISE), at_point(offloaded, NOISE):
        assert torch.equal(logits(offloaded), logits(plain))
    assert torch.equal(logits(offloaded), logits(plain))


def hooked(opened: LanguageModel) -> list:
    """The places of the weights that are fetched, tied ones in both."""
    places = list_places(opened.model).values()
    return [
        each
        for place in places
        for each in getattr(place, "places", (place,))
        if hasattr(each, "hook")
    ]


def test_scores_and_answers_are_the_same_wherever_the_weights_lie(plain, offloaded):
    beginnings = (1, 2, 3, 4, 5, 6)
    sequences = [TokenSequence((*beginnings, end, 9), 4) for end in range(7, 12)]
    options = ScoringOptions(bfloat16=False)
    scorers = {opened: Scorer(opened, options) for opened in (plain, offloaded)}
    layer = {w.name: 0.1 for w in plain.weights if w.layer == 1}
    for point in (BASE, NOISE, Point("layer", (Term(NoiseDirection(1), layer),))):
        entries = {o: scorer.entry_states(point, sequences) for o, scorer in scorers.items()}
        with at_point(plain, point), at_point(offloaded, point):
            scores = [s.score(sequences, entry=entries[o]) for o, s in scorers.items()]
            assert scores[0] == scores[1]
            answers = [
                generate_greedily(opened, [(1, 2, 3)], options, max_new_tokens=4)
                for opened in scorers
            ]
            assert answers[0] == answers[1]


def test_moved_weights_that_lie_on_disk_go_to_disk(plain, monkeypatch):
    opened = open_model(plain.source, placement=Placement(SPLIT))
    written = []
    make = tempfile.TemporaryFile

    def watched(*args, **options):
        file = make(*args, **options)
        written.append(file)
        return file

    monkeypatch.setattr(tempfile, "TemporaryFile", watched)
    layers = [weight.name for weight in opened.weights if weight.layer is not None]
    chosen = dict.fromkeys(layers, 0.1)
    with at_point(opened, Point("layers", (Term(NoiseDirection(1), chosen),))):
        logits(opened)

    assert len(written) == sum(w.layer == 1 and w.is_matrix for w in opened.weights)
    assert all(file.closed for file in written)


def test_a_full_disk_is_an_error_and_leaves_the_base(plain, monkeypatch):
    opened = open_model(plain.source, placement=Placement({"": "disk"}))
    make = tempfile.TemporaryFile

    def full(*args, **options):
        file = make(*args, **options)
        file.write = lambda _content: (_ for _ in ()).throw(OSError(28, "No space left"))
        return file

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match="No space left"), at_point(opened, NOISE):
        pass
    assert torch.equal(logits(opened), logits(plain))


def test_a_weight_that_is_not_finite_is_named_wherever_it_lies(tmp_path):
    model = tiny.model()
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 3] = torch.nan
    model.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"layers.1.mlp.up_proj.weight holds NaN"):
        open_model(str(tmp_path), placement=Placement(SPLIT))


def test_bfloat16_weights_are_converted_as_they_are_fetched(plain):
    half = open_model(plain.source, dtype=torch.bfloat16)
    mapped = open_model(plain.source, dtype=torch.bfloat16, placement=Placement(SPLIT))

    assert mapped.digest == half.digest
    with at_point(half, NOISE), at_point(mapped, NOISE):
        assert torch.equal(logits(mapped), logits(half))


def test_a_tuned_model_leads_to_the_same_point(plain, offloaded, tmp_path):
    tuned = copy.deepcopy(plain.model)
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(0.01)
    tuned.save_pretrained(tmp_path)
    directions = open_tuned(tmp_path, plain), open_tuned(tmp_path, offloaded)
    points = [Point("tuned", (Term(direction, 1.0),)) for direction in directions]
    assert points[0].digest() == points[1].digest()
    with at_point(plain, points[0]), at_point(offloaded, points[1]):
        assert torch.equal(logits(offloaded), logits(plain))


@pytest.mark.parametrize("fields", [FULL, LORA], ids=["full", "lora"])
def test_a_base_that_is_fetched_cannot_be_trained(offloaded, write_config, write_data, fields):
    config, data = write_config(**fields), write_data(TEXTS)
    with pytest.raises(ConfigError, match=r"and not where they compute.*--load-in 4bit"):
        plan_training(offloaded, config, data)


def test_a_map_of_nonsense_is_refused(plain):
    with pytest.raises(ModelError, match=r"cannot be opened"):
        open_model(plain.source, placement=Placement("everywhere"))


def test_too_little_memory_says_what_to_do(plain, monkeypatch):
    from driftline.models.language_model import _opening as module

    def fail(*_args, **_options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(module.AutoModelForCausalLM, "from_pretrained", fail)
    with pytest.raises(ModelError, match=r"does not fit into memory \(CUDA out.*--device-map auto"):
        open_model(plain.source)


def test_opening_with_a_map_is_quiet(plain, capfd):
    open_model(plain.source, placement=Placement(SPLIT))
    assert capfd.readouterr() == ("", "")


def test_a_module_computes_where_its_hook_fetches_to(plain, offloaded):
    for model in (plain.model, offloaded.model):
        assert execution_device(model, model.get_input_embeddings()) == torch.device("cpu")
    hook = next(iter(hooked(offloaded))).hook
    hook.execution_device = "cuda:1"
    module = next(m for m in offloaded.model.modules() if vars(m).get("_hf_hook") is hook)
    assert execution_device(offloaded.model, module) == torch.device("cuda:1")


def test_a_tied_weight_that_moves_half_is_put_back():
    from driftline.models.language_model._places import _InMemory, _Tied

    class Full:
        def move(self, _change):
            raise MemoryError

    weight = torch.ones(2, 2)
    with pytest.raises(MemoryError):
        _Tied((_InMemory(weight), Full())).move(torch.ones(2, 2))
    assert torch.equal(weight, torch.ones(2, 2))
