"""A training step in bfloat16 on a processor without instructions for it: PyTorch's way, and in float32, rounded.

    python -m benchmarks.bfloat16_products smollm2-135m build/models/stories15m-cut

One forward and one backward pass over 256 tokens of English, on one thread, in three ways. Prints JSON and writes it to
`benchmarks/results/bfloat16_products.json`: processor seconds, the best of three (of one, where PyTorch emulates), and the
distance of each gradient from PyTorch's in bfloat16, over the length of that gradient.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

import torch

from driftline.capabilities import Passage, read_suite
from driftline.models import LanguageModel, bfloat16_slowdown, open_model, rounded_products

RESULT = Path(__file__).parent / "results" / "bfloat16_products.json"
NUM_TOKENS, REPEATS = 256, 3


def main() -> None:
    """Measure each model that is named."""
    torch.set_num_threads(1)
    found: dict[str, object] = {"layer_slowdown": round(bfloat16_slowdown(), 1)}
    for name in sys.argv[1:]:
        found[Path(name).name] = measured(open_model(name))
    text = json.dumps(found, indent=2) + "\n"
    RESULT.write_text(text, encoding="utf-8")
    print(text, end="")


def measured(opened: LanguageModel) -> dict[str, object]:
    """Measure the three ways of a step."""
    items = (item for c in read_suite("core").capabilities for item in c.items)
    text = " ".join(item.text for item in items if isinstance(item, Passage))
    ids = torch.tensor([opened.tokenizer(text)["input_ids"][:NUM_TOKENS]])
    plain, seconds_plain = step(opened, ids, bfloat16=True, rounded=False, repeats=1)
    result: dict[str, object] = {"emulated": {"seconds": round(seconds_plain, 2)}}
    for name, bfloat16 in (("float32", False), ("float32, rounded", True)):
        gradient, seconds = step(opened, ids, bfloat16=bfloat16, rounded=True, repeats=REPEATS)
        away = float((gradient - plain).norm() / plain.norm())
        result[name] = {"seconds": round(seconds, 2), "distance": round(away, 4)}
    return result


def step(
    opened: LanguageModel, ids: torch.Tensor, *, bfloat16: bool, rounded: bool, repeats: int
) -> tuple[torch.Tensor, float]:
    """Make forward and backward pass; the gradient, and the least processor seconds."""
    model, times = opened.model, []
    for _ in range(repeats):
        model.zero_grad()
        began = time.process_time()
        products = rounded_products(model, bfloat16=bfloat16)
        with products if rounded else contextlib.nullcontext():
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                loss = model(input_ids=ids, labels=ids).loss
            loss.backward()
        times.append(time.process_time() - began)
    weights = [weight for weight in model.parameters() if weight.grad is not None]
    gradient = torch.cat([weight.grad.flatten() for weight in weights])
    model.zero_grad()
    return gradient, min(times)


if __name__ == "__main__":
    main()
