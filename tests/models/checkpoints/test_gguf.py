"""A GGUF file opens as the model that was written into it, dequantised and ready to train."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from driftline.errors import ModelError
from driftline.models import open_model, weights_digest
from tests import tiny

OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
INSIDE = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_tensor(name: str, weight: np.ndarray) -> tuple[str, np.ndarray]:
    """llama.cpp's name and layout of a weight; it keeps the halves of each head interleaved."""
    stem = name.removesuffix(".weight")
    if ".layers." not in stem:
        return f"{OUTSIDE[stem]}.weight", weight
    layer, rest = stem.split(".layers.")[1].split(".", 1)
    heads = {"self_attn.q_proj": 4, "self_attn.k_proj": 2}.get(rest)
    if heads:
        halves = weight.reshape(heads, 2, len(weight) // heads // 2, -1)
        weight = halves.swapaxes(1, 2).reshape(weight.shape)
    return f"blk.{layer}.{INSIDE[rest]}.weight", weight


def write_gguf(path: Path, model, kind: gguf.GGMLQuantizationType) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(256)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(320)
    tokenizer = tiny.tokenizer(61)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*tokenizer.convert_ids_to_tokens(range(319)), "ab"])
    writer.add_token_types([1] * 256 + [3] * 63 + [1])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(257)
    for name, parameter in model.named_parameters():
        name, weight = gguf_tensor(name, parameter.detach().numpy())
        if parameter.ndim < 2 or kind == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, weight)
        else:
            writer.add_tensor(name, gguf.quants.quantize(weight, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_an_unquantised_file_opens_bit_for_bit(tmp_path, capfd):
    model = tiny.model()
    opened = open_model(str(write_gguf(tmp_path / "m.gguf", model, gguf.GGMLQuantizationType.F32)))

    assert opened.digest == weights_digest(model)
    ids = torch.tensor([[1, 2, 3, 4]])
    assert torch.equal(opened.model(ids).logits, model(ids).logits)
    assert opened.tokenizer("abc")["input_ids"] == [319, *tiny.tokenizer()("c")["input_ids"]]
    assert capfd.readouterr() == ("", "")


def test_a_quantised_file_opens_as_plain_float32(tmp_path):
    model = tiny.model()
    path = write_gguf(tmp_path / "m.gguf", model, gguf.GGMLQuantizationType.Q8_0)
    opened = open_model(str(path))

    for name, weight in opened.model.named_parameters():
        wanted = model.get_parameter(name)
        assert weight.dtype == torch.float32
        assert weight.requires_grad
        assert torch.allclose(weight, wanted, atol=0.01), name
    assert opened.digest != weights_digest(model)
    opened.model.save_pretrained(tmp_path / "saved")
    tiny.tokenizer().save_pretrained(tmp_path / "saved")
    assert open_model(str(tmp_path / "saved")).digest == opened.digest


def test_a_truncated_file_is_refused(tmp_path):
    path = write_gguf(tmp_path / "m.gguf", tiny.model(), gguf.GGMLQuantizationType.F32)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"m.gguf: .*"):
        open_model(str(path))
