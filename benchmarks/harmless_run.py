"""The verdict on a harmless run at default settings: SmolLM2-135M on GSM8K at a learning rate of 1e-5.

    python -m benchmarks.harmless_run --data FOLDER --out benchmarks/results/harmless_run.json

60 steps of eight rows, cosine decay; everything else is the default of `driftline forecast`. Takes about five minutes of two cores.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import driftline
from driftline.provenance import package_versions
from driftline.results import Assessment

CONFIG = {
    "learning_rate": 1e-5,
    "max_steps": 60,
    "per_device_train_batch_size": 8,
    "max_length": 256,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 6,
    "weight_decay": 0.0,
    "activation_checkpointing": False,
    "seed": 0,
}


def main() -> None:
    """Forecast the run, and write its verdict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    started = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as work:
        config = Path(work) / "sft.json"
        config.write_text(json.dumps(CONFIG), encoding="utf-8")
        answer = driftline.forecast(
            "smollm2-135m",
            data=options.data / "ft_gsm8k_train.jsonl",
            config=config,
            columns={"prompt": "question", "completion": "answer"},
            out=Path(work) / "run",
        )
    document = answer.document
    assert isinstance(document, Assessment)
    result = {
        "config": CONFIG,
        "verdict": document.verdict,
        "probability_any_lost": document.probability_any_lost,
        "risk": document.risk,
        "not_shown_to_have": [
            s.capability for s in document.scores if s.nothing_to_lose is not None
        ],
        "items": {s.capability: s.num_items for s in document.scores},
        "forecast": {
            row.capability: {
                "change": row.predicted_change,
                "low": row.low,
                "high": row.high,
                "unit": row.unit,
                "probability_lost": row.probability_lost,
                "required": row.required,
            }
            for row in document.forecast
        },
        "seconds": time.monotonic() - started[0],
        "processor_seconds": time.process_time() - started[1],
        "packages": package_versions(),
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
