"""Cut a model's vocabulary to the tokens that some texts use, so that a run costs less.

    python -m evidence.realistic.vocabulary --data FOLDER --model FOLDER --out FOLDER

Most of stories15M's arithmetic is its output layer over 32,000 tokens. The folder that is written holds the
same network with fewer rows in the embedding: those of all tokens of the suites, which are split as before
(this is checked), and those that the tasks use often. A rare token of a task is split into smaller ones.
"""

import argparse
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import safetensors.torch
from tokenizers import Tokenizer

from driftline.capabilities import read_suite

from .grid import TASKS
from .run import task_rows

EMBEDDING = "model.embed_tokens.weight"
MIN_COUNT = 20


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ft_ and lm_ files")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--suite", nargs="*", default=["core"])
    arguments = parser.parse_args()
    suites = list(texts_of_suites(arguments.suite))
    cut_vocabulary(arguments.model, suites, list(texts_of_tasks(arguments.data)), arguments.out)


def texts_of_suites(suites: Sequence[str]) -> Iterator[str]:
    """List every text of some suites, alone and behind its prompt."""
    for suite in suites:
        for capability in read_suite(suite).capabilities:
            for item in capability.items:
                yield from _joined(item.model_dump())


def texts_of_tasks(data: Path) -> Iterator[str]:
    """List every text of the tasks' files in a folder."""
    with tempfile.TemporaryDirectory() as work:
        for task in TASKS.values():
            for part in task_rows(task, data, Path(work)):
                for row in part.examples:
                    yield from _strings(row)


def _joined(fields: dict[str, Any]) -> Iterator[str]:
    strings = list(_strings(fields))
    yield from strings
    prompt = fields.get("prompt") or ""
    if isinstance(prompt, str):
        yield from (prompt + text for text in strings)


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _strings(part)


def cut_vocabulary(model: Path, texts: Sequence[str], others: Sequence[str], out: Path) -> None:
    """Write a copy of a model that knows fewer tokens.

    Args:
        model: A folder with a byte-fallback BPE tokenizer and tied embeddings.
        texts: Texts whose tokens are all kept.
        others: Texts whose tokens are kept where they stand `MIN_COUNT` times.
        out: The folder to write; it must not exist.

    Raises:
        ValueError: If one of the first texts splits into other pieces than before.
    """
    out.mkdir(parents=True)
    whole = Tokenizer.from_file(str(model / "tokenizer.json"))
    pieces = [encoding.tokens for encoding in whole.encode_batch(texts)]
    counts = Counter(token for text in whole.encode_batch(others) for token in text.tokens)
    often = {token for token, count in counts.items() if count >= MIN_COUNT}
    described = json.loads(whole.to_str())
    kept_ids = _cut(described, often.union(*pieces))
    (out / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False))
    cut = Tokenizer.from_file(str(out / "tokenizer.json"))
    if [encoding.tokens for encoding in cut.encode_batch(texts)] != pieces:
        raise ValueError("the cut tokenizer splits some text differently")
    tensors = safetensors.torch.load_file(model / "model.safetensors")
    tensors[EMBEDDING] = tensors[EMBEDDING][kept_ids].clone()
    safetensors.torch.save_file(tensors, out / "model.safetensors", {"format": "pt"})
    config = json.loads((model / "config.json").read_text())
    config["vocab_size"] = len(kept_ids)
    (out / "config.json").write_text(json.dumps(config, indent=2))
    for name in ("tokenizer_config.json", "generation_config.json"):
        shutil.copy(model / name, out / name)


def _cut(described: dict[str, Any], used: Iterable[str]) -> list[int]:
    """Cut a tokenizer's description in place; list the token ids that are kept, in order."""
    bpe = described["model"]
    kept = {*used, *(token["content"] for token in described["added_tokens"])}
    kept |= {token for token in bpe["vocab"] if len(token) == 1 or token.startswith("<0x")}
    merges = [tuple(merge) for merge in bpe["merges"]]
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    for token in tuple(kept):
        kept.update(_steps_to(token, ranks))
    bpe["merges"] = [list(m) for m in merges if {m[0], m[1], m[0] + m[1]} <= kept]
    ids = sorted(bpe["vocab"][token] for token in kept)
    new_id = {old: new for new, old in enumerate(ids)}
    bpe["vocab"] = {token: new_id[bpe["vocab"][token]] for token in bpe["vocab"] if token in kept}
    for token in described["added_tokens"]:
        token["id"] = new_id[token["id"]]
    for special in described["post_processor"]["special_tokens"].values():
        special["ids"] = [new_id[old] for old in special["ids"]]
    return ids


def _steps_to(token: str, ranks: dict[tuple[str, str], int]) -> Iterator[str]:
    """List the tokens that byte-pair encoding makes on its way to a token."""
    parts = list(token)
    while len(parts) > 1:
        pairs = [(ranks.get(pair, len(ranks)), at) for at, pair in enumerate(pairwise(parts))]
        rank, at = min(pairs)
        if rank == len(ranks):
            return
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        yield parts[at]


if __name__ == "__main__":
    main()
