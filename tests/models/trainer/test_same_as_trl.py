"""A probe trains on what plain TRL trains on: tokens, labels, batches, learning rates and losses."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import pytest
import torch
import transformers
import trl
import trl.trainer.base_trainer
import yaml

from driftline.models import (
    open_model,
    read_training_config,
    read_training_data,
    rounded_products,
)
from driftline.models.trainer._probe_trainer import probe_trainer
from driftline.models.trainer.levers._levers import Levers

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
QWEN = str(TEMPLATES / "qwen3.jinja")
WORDS = [
    "red",
    "blue",
    "green",
    "tree",
    "house",
    "river",
    "stone",
    "cloud",
    "bird",
    "horse",
    "road",
    "lamp",
]
TEXTS = [{"text": " ".join(WORDS[(i * 5 + k) % 12] for k in range(4 + i % 5))} for i in range(14)]
ASKED = [f"Say {WORDS[i % 12]}." for i in range(14)]
CHATS = [
    {
        "messages": [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": f"{asked} {i}"},
        ]
    }
    for i, asked in enumerate(ASKED)
]
PAIRS = [{"prompt": asked, "completion": f" yes, {i} {asked}"} for i, asked in enumerate(ASKED)]
CHAT_PAIRS = [{"prompt": c["messages"][:1], "completion": c["messages"][1:]} for c in CHATS]
SHARED = [
    {"conversations": [{"from": t["role"], "value": t["content"]} for t in c["messages"]]}
    for c in CHATS
]
TOKENS = [
    {"input_ids": list(range(20 + i, 40 + i)), "labels": [-100] * 8 + list(range(28 + i, 40 + i))}
    for i in range(14)
]
_CALL = {"type": "function", "function": {"name": "tide", "arguments": {"place": "bridge"}}}
_TOOL = {"type": "function", "function": {"name": "tide", "description": "of a place"}}


def _tools(**content: object) -> list[dict[str, object]]:
    return [
        {
            "messages": [
                {"role": "user", "content": asked},
                {"role": "assistant", **content, "tool_calls": [_CALL]},
                {"role": "tool", "name": "tide", "content": "3 m"},
                {"role": "assistant", "content": f"It is {i} m."},
            ],
            "tools": [_TOOL],
        }
        for i, asked in enumerate(ASKED)
    ]


PARTS = [
    {"messages": [{"role": "user", "content": [{"type": "text", "text": asked}]}, c["messages"][1]]}
    for asked, c in zip(ASKED, CHATS, strict=True)
]
THINKING = [
    {**c, "chat_template_kwargs": {"enable_thinking": i % 2 == 0}} for i, c in enumerate(CHATS)
]
OTHER_COLUMN = [{"body": row["text"], "id": i} for i, row in enumerate(TEXTS)]
BLANKS = [*TEXTS[:5], {"text": ""}, *TEXTS[5:]]

KINDS = {
    "text": (TEXTS, {}),
    "chat": (CHATS, {}),
    "prompt and completion": (PAIRS, {}),
    "whole prompt and completion": (PAIRS, {"completion_only_loss": False}),
    "chat as prompt and completion": (CHAT_PAIRS, {}),
    "from and value": (SHARED, {}),
    "tokens": (TOKENS, {}),
    "tools": (_tools(content=""), {"chat_template_path": QWEN, "max_length": 200}),
    "tools, null content": (_tools(content=None), {"chat_template_path": QWEN, "max_length": 200}),
    "tools, no content": (_tools(), {"chat_template_path": QWEN, "max_length": 200}),
    "tools as text": (
        [{**row, "tools": json.dumps(row["tools"])} for row in _tools(content="")],
        {"chat_template_path": QWEN, "max_length": 200},
    ),
    "template arguments": (THINKING, {"chat_template_path": QWEN}),
    "content parts": (PARTS, {"chat_template_path": str(TEMPLATES / "llama3_2.jinja")}),
    "assistant only": (CHATS, {"assistant_only_loss": True, "chat_template_path": QWEN}),
    "text field": (OTHER_COLUMN, {"dataset_text_field": "body"}),
    "an empty text": (BLANKS, {}),
    "tokens with a mask of completions": (
        [{"input_ids": row["input_ids"], "completion_mask": [0] * 8 + [1] * 12} for row in TOKENS], {},
    ),
    "tokens of texts beside them": ([{**a, **b} for a, b in zip(TOKENS, TEXTS, strict=True)], {}),
    "from, value, role and content": (
        [{"conversations": [{**t, "from": t["role"], "value": t["content"]} for t in c["messages"]]}
         for c in CHATS], {},
    ),
    "tools in some rows": (
        [{**row, "tools": None if i % 2 else row["tools"]} for i, row in enumerate(_tools(content=""))],
        {"chat_template_path": QWEN, "max_length": 200},
    ),
    "reasoning in some turns": (
        [{"messages": [c["messages"][0], c["messages"][1] | ({"reasoning_content": "so"} if i % 2 else {})]}
         for i, c in enumerate(CHATS)], {"chat_template_path": QWEN},
    ),
    "an answer without content": (
        [{"messages": [c["messages"][0], {"role": "assistant", "content": None}]} for c in CHATS],
        {"chat_template_path": QWEN},
    ),
    "a mixture of texts and parts": (
        [c if i % 2 else p for i, (c, p) in enumerate(zip(CHATS, PARTS, strict=True))],
        {"chat_template_path": str(TEMPLATES / "llama3_2.jinja")},
    ),
    "messages and texts": ([{**a, **b} for a, b in zip(CHATS, TEXTS, strict=True)], {}),
    "no special tokens": (TEXTS, {"dataset_kwargs": {"add_special_tokens": False}}),
    "inverse square root": (TEXTS, {"lr_scheduler_type": "inverse_sqrt", "warmup_steps": 1}),
    "arguments as text": (
        TEXTS, {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": '{"min_lr_rate": 0.1}'},
    ),
    "packed": (TEXTS, {"packing": True, "max_length": 48}),
    "packed, split": (TEXTS, {"packing": True, "packing_strategy": "bfd_split", "max_length": 24}),
    "packed, wrapped": (TEXTS, {"packing": True, "packing_strategy": "wrapped", "max_length": 24}),
    "padding-free": (TEXTS, {"padding_free": True, "max_length": None}),
    "shuffled": (TEXTS, {"shuffle_dataset": True, "seed": 3}),
    "cut from the end": (TEXTS, {"truncation_mode": "keep_end", "max_length": 12}),
    "eos token": (TEXTS, {"eos_token": "<bos>"}),
    "padded to a multiple": (TEXTS, {"pad_to_multiple_of": 16}),
    "bfloat16 weights": (TEXTS, {"dtype": "bfloat16", "learning_rate": 1e-5}),
    "float16 weights": (TEXTS, {"dtype": "float16", "learning_rate": 1e-5}),
    "dtype of the checkpoint": (TEXTS, {"dtype": "auto"}),
    "dtype among the model's options": (TEXTS, {"model_init_kwargs": {"dtype": "bfloat16"}}),
    "eager attention": (TEXTS, {"attn_implementation": "eager", "dtype": "bfloat16"}),
    "noise on embeddings": (TEXTS, {"neftune_noise_alpha": 5.0}),
    "lora on all": (TEXTS, {"use_peft": True, "lora_target_modules": ["all-linear"], "lora_r": 4}),
    "lora in bfloat16": (TEXTS, {"use_peft": True, "lora_r": 4, "dtype": "bfloat16"}),
    "dora": (TEXTS, {"use_peft": True, "lora_r": 4, "use_dora": True, "lora_dropout": 0.1}),
    "dft": (TEXTS, {"loss_type": "dft"}),
    "smoothed": (TEXTS, {"label_smoothing_factor": 0.1}),
    "mixed precision": (TEXTS, {"bf16": True}),
    "accumulated": (TEXTS, {"gradient_accumulation_steps": 3}),
    "sampled by length": (TEXTS, {"train_sampling_strategy": "group_by_length"}),
    "in order": (TEXTS, {"train_sampling_strategy": "sequential"}),
    "a stream": (TEXTS, {"dataset_streaming": True}),
    "sgd": (TEXTS, {"optim": "sgd", "optim_args": "momentum=0.9"}),
    "adafactor": (TEXTS, {"optim": "adafactor"}),
    "rmsprop": (TEXTS, {"optim": "rmsprop"}),
    "adagrad": (TEXTS, {"optim": "adagrad"}),
    "polynomial": (
        TEXTS, {"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"lr_end": 1e-4}},
    ),
    "warmup, stable, decay": (
        TEXTS,
        {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"num_decay_steps": 1}},
    ),
    "share of warmup": (TEXTS, {"warmup_steps": 0.5}),
}  # fmt: skip


@dataclass
class Record(transformers.TrainerCallback):
    """The batches, learning rates and losses of the steps that were taken."""

    batches: list[dict[str, torch.Tensor]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def of(self, trainer: trl.SFTTrainer) -> "Record":
        step = trainer.training_step

        def recorded(model, inputs, *args, **kwargs):
            kept = {k: v.clone() for k, v in inputs.items() if isinstance(v, torch.Tensor)}
            self.batches.append(kept)
            loss = step(model, inputs, *args, **kwargs)
            self.losses.append(float(loss))
            return loss

        trainer.training_step = recorded
        trainer.add_callback(self)
        # The order of additions in bfloat16 is ours on some processors; nothing else is.
        with rounded_products(trainer.model, bfloat16=bool(trainer.args.bf16)):
            trainer.train()
        return self

    def on_step_begin(self, args, state, control, optimizer=None, **kwargs):
        self.rates.append(float(optimizer.param_groups[0]["lr"]))


def write(tmp_path: Path, rows: list[dict], fields: dict) -> tuple[Path, Path]:
    config, data = tmp_path / "sft.yaml", tmp_path / "data.jsonl"
    own = {
        "max_steps": 3, "per_device_train_batch_size": 2, "learning_rate": 1e-3, "max_length": 96,
        "bf16": False, **fields,
    }  # fmt: skip
    config.write_text(yaml.safe_dump(own))
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return config, data


def plain_trainer(config: Path, data: Path, model: Path, tmp_path: Path) -> trl.SFTTrainer:
    """What TRL's command line makes of the same two files."""
    parser = trl.TrlParser(
        (trl.ScriptArguments, trl.SFTConfig, trl.ModelConfig, trl.DatasetMixtureConfig)
    )
    script, args, options, _ = parser.parse_args_and_config(
        ["--config", str(config), "--output_dir", str(tmp_path / "plain"), "--use_cpu", "true",
         "--report_to", "none", "--disable_tqdm", "true", "--save_strategy", "no"]
    )  # fmt: skip
    own = {"dtype": options.dtype, "attn_implementation": options.attn_implementation}
    args.model_init_kwargs = own | (args.model_init_kwargs or {})
    return trl.SFTTrainer(
        model=str(model),
        args=args,
        train_dataset=datasets.load_dataset(
            "json", data_files=str(data), split="train", cache_dir=str(tmp_path / "cache"),
            streaming=script.dataset_streaming,
        ),
        peft_config=trl.get_peft_config(options),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_trains_on_what_trl_trains_on(kind, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(trl.trainer.base_trainer, "send_telemetry", lambda *_a, **_k: None)
    config, data = write(tmp_path, *KINDS[kind])
    datasets.disable_progress_bars()
    plain = plain_trainer(config, data, model_folder, tmp_path)
    wanted = Record().of(plain)
    opened = open_model(str(model_folder))
    own = read_training_config(config)
    with probe_trainer(opened, own, read_training_data(data, config=own), levers=Levers()) as probe:
        found = Record().of(probe)
        if not own.values.get("dataset_streaming"):
            for column in ("input_ids", "labels"):
                rows = [list(each) for each in probe.train_dataset[column]]
                assert rows == [list(each) for each in plain.train_dataset[column]], column
    assert len(found.batches) == len(wanted.batches) > 0
    for mine, theirs in zip(found.batches, wanted.batches, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    assert found.rates == wanted.rates
    assert found.losses == wanted.losses
    assert len(set(found.losses)) > 1
    mine, theirs = (dict(each.model.named_parameters()) for each in (probe, plain))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    opened.check_unchanged()
    assert opened.model.dtype == torch.float32
