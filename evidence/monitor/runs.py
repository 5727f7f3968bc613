"""The runs on which the monitor is judged: each with what is wrong with it, said beforehand."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from driftline.training import DETECTORS

Fault = Literal["none", "rate", "garbage", "narrow", "label_noise", "spike", "ruin"]
NUM_EXAMPLES = 200


@dataclass(frozen=True)
class Run:
    """One run."""

    name: str
    fault: Fault
    data: str
    """A file in the data folder, without its ending."""
    learning_rate: float
    seed: int = 0
    expected: tuple[str, ...] = ()
    """Detectors of which one must speak; set before any run was made."""
    changes: dict[str, Any] = field(default_factory=dict)


_COLLAPSE, _SELECTIVE, _INSTABILITY = DETECTORS


def _warm(steps: int) -> dict[str, Any]:
    return {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": steps}


DAMAGED = (
    Run("rate-gsm8k", "rate", "ft_gsm8k_train", 3e-4, 0, (_COLLAPSE, _INSTABILITY), _warm(10)),
    Run("rate-shakespeare", "rate", "lm_tinyshakespeare", 3e-4, 0, (_COLLAPSE, _INSTABILITY), _warm(10)),
    Run("garbage-characters", "garbage", "lm_wikitext2_train", 3e-5, 0, (_COLLAPSE,), _warm(4)),
    Run("garbage-words", "garbage", "ft_gsm8k_train", 3e-5, 1, (_COLLAPSE,), _warm(4)),
    Run("narrow-spanish", "narrow", "ft_tatoeba_en_es", 1e-4, 0, (_SELECTIVE,), _warm(6)),
    Run("narrow-code", "narrow", "ft_gpteacher_codegen", 3e-5, 0, (_SELECTIVE,), _warm(4)),
    Run("label-noise", "label_noise", "ft_gsm8k_train", 3e-5, 0, (_SELECTIVE, _COLLAPSE), _warm(4)),
    Run("spike", "spike", "lm_wikitext2_train", 1e-6, 0, (_INSTABILITY, _COLLAPSE)),
)  # fmt: skip

_OF_NAME = {run.name: run for run in DAMAGED}
SHARPER = tuple(
    replace(_OF_NAME[name], name=f"sharper-{name}", learning_rate=10 * _OF_NAME[name].learning_rate)
    for name in (
        "garbage-characters", "garbage-words", "narrow-code",
        "label-noise", "narrow-spanish", "spike",
    )
)  # fmt: skip
"""For SmolLM2-135M: the damaged runs that ended below twice the tolerance, at ten times the rate, all else being
the same. The first three, which ended within it, were set before any of the six was made; the others before any of
these was made."""

RUINOUS = (
    Run("ruin-medquad", "ruin", "ft_medquad_medical_qa", 5e-3, 0, (_INSTABILITY, _COLLAPSE)),
    Run("ruin-code", "ruin", "ft_gpteacher_codegen", 1e-2, 0, (_INSTABILITY, _COLLAPSE)),
)
"""Ruined by the very first step, so that no look can come before; does instability show?"""

HEALTHY = tuple(
    Run(f"healthy-{data.split('_')[1]}-{seed}", "none", data, rate, seed=seed)
    for seed in range(6)
    for data, rate in (
        ("ft_gsm8k_train", 2e-6),
        ("ft_tatoeba_en_es", 2e-6),
        ("lm_wikitext2_train", 2e-6),
        # At 2e-6 these two cost stories15m its French, slowly and for good: no healthy runs.
        ("ft_gpteacher_codegen", 5e-7),
        ("ft_medquad_medical_qa", 5e-7),
    )
    # Four seeds of WikiText lost French as well; it is not tried again.
    if seed < 4 or not data.startswith("lm_")
)

BRISK = (
    Run("brisk-gsm8k", "none", "ft_gsm8k_train", 2e-5, 0, changes=_warm(4)),
    Run("brisk-wikitext", "none", "lm_wikitext2_train", 1e-5, 0, changes=_warm(4)),
    Run("brisk-spanish", "none", "ft_tatoeba_en_es", 1e-5, 0, changes=_warm(4)),
)
"""Meant to be harmless, at rates of real fine-tuning: a third to two thirds of those of damaged runs. Rates, data
and seeds were set before any was made."""


def examples(run: Run, folder: Path) -> list[dict[str, str]]:
    """The training data of a run, with its fault put in, the same each time.

    Args:
        run: Which.
        folder: Where the data files are.

    Returns:
        Texts in TRL's layout.
    """
    lines = (folder / f"{run.data}.jsonl").read_text(encoding="utf-8").splitlines()
    generator = random.Random(run.seed)
    chosen = generator.sample(lines, min(NUM_EXAMPLES, len(lines)))
    # Some texts hold Unicode's own line separators, at which a row is cut: its parts are left out.
    rows = [json.loads(line) for line in chosen if line.startswith("{") and line.endswith("}")]
    pairs = [_pair(row) for row in rows]
    if run.fault == "label_noise":
        answers = [answer for _, answer in pairs]
        generator.shuffle(answers)
        pairs = [(asked, answer) for (asked, _), answer in zip(pairs, answers, strict=True)]
    texts = [asked + answer for asked, answer in pairs]
    if run.fault == "garbage":
        texts = [_scrambled(text, run.name, generator) for text in texts]
    return [{"text": text[:1000]} for text in texts]


def _pair(row: dict[str, Any]) -> tuple[str, str]:
    if "text" in row:
        return "", row["text"]
    if "en" in row:
        return f"English: {row['en']}\nSpanish:", f" {row['es']}"
    asked = row.get("question") or row.get("instruction") or ""
    answer = row.get("answer") or row.get("response") or row.get("output") or ""
    return f"{asked}\n", answer


def _scrambled(text: str, name: str, generator: random.Random) -> str:
    parts: Sequence[str] = list(text) if name.endswith("characters") else text.split()
    mixed = generator.sample(parts, len(parts))
    return ("" if name.endswith("characters") else " ").join(mixed)
