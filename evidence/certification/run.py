"""Certify SmolLM2-135M against models that were really tuned from it, and against itself.

    python -m evidence.certification.run --data FOLDER     # makes the checks that are missing

One JSON a check in `results/`, without the items' texts; a check that is there is not made again, and what
was scored for one that was broken off is taken up from the store in the working folder. The folder
holds `probe_basic_arithmetic_mc.jsonl`, `probe_blimp.jsonl` and `ft_gsm8k_train.jsonl` (OLMo's basic arithmetic,
BLiMP, GSM8K, all public).
"""

import argparse
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer

from driftline.analyses import CertifyRequest, certify
from driftline.capabilities import Capability, Item, MinimalPair, MultipleChoice, Suite, read_suite
from driftline.engine import RunFolder
from driftline.models import LanguageModel, open_model
from driftline.provenance import digest_value
from driftline.results import Certification

HERE = Path(__file__).parent
NUM_ITEMS = 160
"""Of each capability: enough for a margin of 5 points where hardly any item flips, and no more."""
NUM_ITEMS_IN_SEQUENCE = 364
"""Of each capability that the sequential mode may use: those that a test of all items needs for 90 %
power at the margin with 10 % discordance, as `driftline sample-size` says."""
MARGIN = 0.05
TRAINED: dict[str, dict[str, Any]] = {
    "damaged": {"learning_rate": 2e-3, "max_steps": 6},
    "harmless": {"learning_rate": 2e-6, "max_steps": 2},
    "adapter": {"learning_rate": 2e-3, "max_steps": 2},
    "gentle": {"learning_rate": 1e-5, "max_steps": 60},
    "rough": {"learning_rate": 3e-4, "max_steps": 60},
}
"""The runs, on GSM8K with its answers; `adapter` trains LoRA."""
SHARE_OF_ROUGH = 0.3
"""The share of the rough run's update that takes about five points of one capability."""
LORA = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
CHECKS: dict[str, tuple[str, dict[str, Any]]] = {
    "itself": ("base", {}),
    "damaged": ("damaged", {"recovery": True}),
    "harmless": ("harmless", {}),
    "damaged-sequential": ("damaged", {"sequential": True}),
    "harmless-sequential": ("harmless", {"sequential": True}),
    "itself-sequential": ("base", {"sequential": True}),
    "adapter": ("adapter", {}),
    "merged": ("merged", {}),
    "core-itself": ("base", {}),
    "core-gentle": ("gentle", {}),
    "core-five-points": ("five-points", {}),
}
"""Name to the tuned model, and to what is asked beside the claims. `core-` asks the shipped suite."""


def read_rows(folder: Path, name: str, seed: int = 0) -> list[dict[str, Any]]:
    """The rows of a file in seeded order."""
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    random.Random(seed).shuffle(rows)
    return rows


def arithmetic(folder: Path, num_items: int) -> tuple[Item, ...]:
    """Sums with four answers."""
    return tuple(
        MultipleChoice(
            id=f"{index}",
            prompt=row["question"],
            choices=tuple(f" {choice}" for choice in row["choices"]),
            answer=row["answer"],
        )
        for index, row in enumerate(read_rows(folder, "probe_basic_arithmetic_mc")[:num_items])
    )


def grammar(folder: Path, num_items: int) -> tuple[Item, ...]:
    """Sentences beside ungrammatical ones, over all of BLiMP's paradigms."""
    return tuple(
        MinimalPair(id=f"{index}", good=row["good"], bad=row["bad"])
        for index, row in enumerate(read_rows(folder, "probe_blimp")[:num_items])
    )


def read_own_suite(folder: Path, num_items: int) -> Suite:
    """Two capabilities of as many items, with one margin."""
    sums, pairs = arithmetic(folder, num_items), grammar(folder, num_items)
    capabilities = (
        Capability("arithmetic", "multiple_choice", "accuracy", MARGIN, sums),
        Capability("grammar", "minimal_pair", "accuracy", MARGIN, pairs),
    )
    return Suite(f"evidence-{num_items}", capabilities)


def train(name: str, base: Path, data: Path, out: Path) -> None:
    """Train one run with TRL, from the base's folder, and save it."""
    rows = read_rows(data, "ft_gsm8k_train")[:200]
    examples = [{"prompt": row["question"], "completion": "\n" + row["answer"]} for row in rows]
    config = SFTConfig(
        output_dir=str(out / "trainer"),
        per_device_train_batch_size=4,
        max_length=96,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        warmup_steps=0,
        seed=0,
        **TRAINED[name],
    )
    trainer = SFTTrainer(
        str(base),
        args=config,
        train_dataset=Dataset.from_list(examples),
        peft_config=LORA if name == "adapter" else None,
    )
    trainer.train()
    trainer.save_model(str(out))


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Merge an adapter with PEFT, as its users do."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().save_pretrained(out)


def scale(base: Path, tuned: Path, out: Path) -> None:
    """Write the base plus a share of a tuned model's update."""
    shutil.copytree(tuned, out, ignore=shutil.ignore_patterns("done", "trainer"))
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tuned))
    for name, tensor in after.items():
        tensor.copy_(before[name] + SHARE_OF_ROUGH * (tensor - before[name]))
    save_file(after, out / "model.safetensors", {"format": "pt"})


def tuned_folder(name: str, opened: LanguageModel, data: Path, work: Path) -> Path:
    """The tuned model's folder, made where it is missing."""
    out = work / name
    if (out / "done").exists():
        return out
    if name == "base":
        opened.model.save_pretrained(out)
        opened.tokenizer.save_pretrained(out)
    elif name == "merged":
        merge(
            tuned_folder("base", opened, data, work),
            tuned_folder("adapter", opened, data, work),
            out,
        )
    elif name == "five-points":
        base = tuned_folder("base", opened, data, work)
        scale(base, tuned_folder("rough", opened, data, work), out)
    else:
        train(name, tuned_folder("base", opened, data, work), data, out)
    (out / "done").touch()
    return out


def record(found: Certification, config: dict[str, Any] | None, work: Path) -> dict[str, Any]:
    """A certification without the texts of its items, and without the place where it was made."""
    document = json.loads(found.to_json().replace(f"{work}/", ""))
    for claim in document["claims"]:
        flips = claim["flips"]
        if flips is not None:  # Metrics of right and wrong answers alone have them.
            claim["flips"] = {
                "num_lost": len(flips["lost"]),
                "num_gained": len(flips["gained"]),
                "num_lost_with_both_answers": sum(f["wrong"] is not None for f in flips["lost"]),
                "chance_adjusted_loss": flips["chance_adjusted_loss"],
            }
    return {"training": config, **document}


def suite_of(check: str, data: Path) -> Suite:
    """The suite that a check asks."""
    if check.startswith("core-"):
        return read_suite("core")
    sequential = CHECKS[check][1].get("sequential")
    return read_own_suite(data, NUM_ITEMS_IN_SEQUENCE if sequential else NUM_ITEMS)


def main() -> None:
    """Make the checks that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data files")
    parser.add_argument("--work", type=Path, default=Path("build/certification"))
    parser.add_argument("--checks", nargs="*", choices=CHECKS, default=list(CHECKS))
    chosen = parser.parse_args()
    (HERE / "results").mkdir(exist_ok=True)
    opened = open_model("smollm2-135m")
    for check in chosen.checks:
        path = HERE / "results" / f"{check}.json"
        if path.exists():
            continue
        tuned, asked = CHECKS[check]
        print(time.strftime("%H:%M:%S"), check, flush=True)
        folder = tuned_folder(tuned, opened, chosen.data, chosen.work)
        print(time.strftime("%H:%M:%S"), "certifying", flush=True)
        suite = suite_of(check, chosen.data)
        # One folder for all checks of a suite, so that the base is scored once.
        scores = chosen.work / f"scores-{suite.name}"
        identity = digest_value([c.digest for c in suite.capabilities])
        with RunFolder.open(scores, identity, outputs=(), force=False) as run_folder:
            found = certify(CertifyRequest(opened, str(folder), (suite,), **asked), run_folder)
        trained = {"merged": "adapter", "five-points": "rough"}.get(tuned, tuned)
        config = TRAINED.get(trained)
        path.write_text(json.dumps(record(found, config, chosen.work), indent=1) + "\n")
        print(
            found.verdict, [(c.capability, c.verdict, c.change) for c in found.claims], flush=True
        )


if __name__ == "__main__":
    main()
