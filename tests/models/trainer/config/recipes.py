"""Fields of public fine-tuning recipes, written anew: names and values alone, of today's TRL but for `old`."""

from typing import Any

Recipe = dict[str, Any]

_SAVED = {"output_dir": "out", "logging_steps": 10, "save_strategy": "epoch", "seed": 42}
_CHECKPOINTED = {
    "gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False},
}  # fmt: skip
_HUB = {"push_to_hub": True, "hub_model_id": "someone/model", "hub_strategy": "every_save"}
_FLASH = {"attn_implementation": "flash_attention_2"}
_MIN_LR = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}

FLASH = "attn_implementation: flash_attention_2 is not installed here"
LIGER = "use_liger_kernel: liger-kernel is not installed here"

RECIPES: dict[str, tuple[Recipe, str | None]] = {
    "trl, quick start": (
        {"model_name_or_path": "Qwen/Qwen3-0.6B", "dataset_name": "trl-lib/Capybara"}, None,
    ),
    "trl, full": (
        {"model_name_or_path": "Qwen/Qwen2-0.5B", "dataset_name": "trl-lib/Capybara",
         "learning_rate": "2.0e-5", "num_train_epochs": 1, "packing": True,
         "per_device_train_batch_size": 2, "gradient_accumulation_steps": 8, "eos_token": "<|im_end|>",
         "eval_strategy": "steps", "eval_steps": 100, **_SAVED}, None,
    ),
    "trl, LoRA": (
        {"model_name_or_path": "Qwen/Qwen2-0.5B", "dataset_name": "trl-lib/Capybara",
         "learning_rate": "2.0e-4", "num_train_epochs": 1, "packing": True, "use_peft": True,
         "lora_r": 32, "lora_alpha": 16, "eval_strategy": "steps", "eval_steps": 100, **_SAVED}, None,
    ),
    "trl, bfloat16 with a mixture": (
        {"model_name_or_path": "Qwen/Qwen3-0.6B", "dtype": "bfloat16",
         "datasets": [{"path": "trl-lib/Capybara", "split": "train"},
                      {"path": "trl-lib/tldr", "columns": ["prompt", "completion"]}],
         "test_split_size": 0.01, "max_length": 2048}, None,
    ),
    "trl, launched on eight with ZeRO-3": (
        {"model_name_or_path": "Qwen/Qwen3-4B", "accelerate_config": "zero3", "num_processes": 8,
         "dataset_name": "trl-lib/Capybara", "learning_rate": 1e-5, "bf16": True,
         "gradient_accumulation_steps": 2, **_CHECKPOINTED}, None,
    ),
    "trl, launched with FSDP": (
        {"accelerate_config": "fsdp2", "main_process_port": 29501, "learning_rate": 1e-5,
         "max_length": 4096, "packing": True, "dtype": "bfloat16"}, None,
    ),
    "trl, gpt-oss with adapters on experts": (
        {"model_name_or_path": "openai/gpt-oss-20b", "dtype": "bfloat16", "use_peft": True,
         "lora_target_modules": ["all-linear"], "lora_r": 8, "lora_alpha": 16, "lora_dropout": 0.0,
         "lora_target_parameters": ["7.mlp.experts.gate_up_proj", "7.mlp.experts.down_proj"],
         "learning_rate": "2e-4", "num_train_epochs": 1, "max_length": 2048, **_MIN_LR,
         "warmup_steps": 0.03, "attn_implementation": "eager", **_CHECKPOINTED, **_SAVED}, None,
    ),
    "trl, answers alone": (
        {"assistant_only_loss": True, "model_name_or_path": "Qwen/Qwen3-8B", "packing": True,
         "packing_strategy": "bfd_split", "max_length": 8192, "dtype": "bfloat16"}, None,
    ),
    "trl, padding-free": (
        {"padding_free": True, "max_length": None, **_FLASH, "dtype": "bfloat16"}, FLASH,
    ),
    "trl, template of another model": (
        {"model_name_or_path": "meta-llama/Llama-3.2-1B", "chat_template_path": "HuggingFaceTB/SmolLM3-3B",
         "eos_token": "<|im_end|>", "dataset_name": "trl-lib/Capybara"}, None,
    ),
    "trl, QLoRA": (
        {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "use_bnb_nested_quant": False,
         "use_peft": True, "lora_r": 64, "lora_alpha": 16, "lora_target_modules": "all-linear",
         "learning_rate": 2e-4, "dtype": "bfloat16", "optim": "paged_adamw_8bit"}, None,
    ),
    "trl, noisy embeddings": (
        {"neftune_noise_alpha": 5, "learning_rate": "1.41e-5", "per_device_train_batch_size": 64,
         "gradient_accumulation_steps": 16, "max_length": 512, "report_to": "none"}, None,
    ),
    "trl, dynamic fine-tuning": ({"loss_type": "dft", "learning_rate": 1e-5, "max_length": 4096}, None),
    "trl, environment": (
        {"env": {"SOME_PROJECT": "x"}, "learning_rate": 1e-5, "run_name": "a"}, None,
    ),
    "zephyr, full": (
        {"model_name_or_path": "mistralai/Mistral-7B-v0.1", "dtype": "bfloat16", **_FLASH,
         "dataset_name": "HuggingFaceH4/ultrachat_200k", "dataset_train_split": "train_sft",
         "dataset_test_split": "test_sft", "dataset_num_proc": 12, "bf16": True, "do_eval": True,
         "eval_strategy": "epoch", "gradient_accumulation_steps": 1, **_CHECKPOINTED, **_HUB,
         "learning_rate": "2.0e-05", "log_level": "info", "logging_strategy": "steps",
         "lr_scheduler_type": "cosine", "max_length": 2048, "max_steps": -1, "num_train_epochs": 1,
         "per_device_eval_batch_size": 8, "per_device_train_batch_size": 16, "report_to": ["tensorboard"],
         "save_total_limit": 1, "warmup_steps": 0.1, **_SAVED}, FLASH,
    ),
    "zephyr, QLoRA": (
        {"model_name_or_path": "mistralai/Mistral-7B-v0.1", "dtype": "auto", "load_in_4bit": True,
         "use_peft": True, "lora_r": 16, "lora_alpha": 16, "lora_dropout": 0.05,
         "lora_target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
                                 "down_proj"],
         "dataset_name": "HuggingFaceH4/ultrachat_200k", "dataset_train_split": "train_sft",
         "bf16": True, "eval_strategy": "epoch", "gradient_accumulation_steps": 2, **_CHECKPOINTED,
         "learning_rate": 2e-4, "lr_scheduler_type": "cosine", "max_length": 2048,
         "per_device_train_batch_size": 4, "warmup_steps": 0.1, **_SAVED}, None,
    ),
    "smollm2, instruct": (
        {"dtype": "bfloat16", "learning_rate": "3.0e-4", "lr_scheduler_type": "cosine",
         "max_length": 8192, "num_train_epochs": 2, "per_device_train_batch_size": 4,
         "gradient_accumulation_steps": 4, "packing": True, "warmup_steps": 0.1, "bf16": True,
         "eval_strategy": "no", **_CHECKPOINTED, **_SAVED}, None,
    ),
    "smollm2, tool calls": (
        {"model_name_or_path": "HuggingFaceTB/SmolLM2-1.7B-Instruct", "bf16": True,
         "learning_rate": "1.0e-3", "max_length": 8192, "num_train_epochs": 4, "dataset_num_proc": 8,
         "max_grad_norm": 0.2, "weight_decay": 1.0e-4, "lr_scheduler_type": "cosine",
         "save_steps": 2000, "report_to": "none"}, None,
    ),
    "smollm3, middle of training": (
        {"dtype": "bfloat16", "max_length": 65536, "packing": True, "packing_strategy": "wrapped",
         "use_liger_kernel": True, "optim": "adamw_torch", "adam_beta2": 0.95, "weight_decay": 0.1,
         "learning_rate": "2.0e-5", **_MIN_LR, "warmup_steps": 0.03, "max_grad_norm": 0.2,
         "num_train_epochs": 4, "per_device_train_batch_size": 2}, LIGER,
    ),
    "smollm3, fine-tuning": (
        {"dtype": "bfloat16", "max_length": 32768, "packing": True, "packing_strategy": "bfd",
         "assistant_only_loss": True, "eos_token": "<|im_end|>", "learning_rate": "2.0e-5",
         "lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"num_cycles": 0.5},
         "dataset_num_proc": 24, "num_train_epochs": 4, "save_strategy": "no",
         "chat_template_path": "HuggingFaceTB/SmolLM3-3B", **_CHECKPOINTED}, None,
    ),
    "open-r1, distilled": (
        {"model_name_or_path": "open-r1/Qwen2.5-Math-7B-RoPE-300k", "dtype": "bfloat16",
         "dataset_name": "open-r1/Mixture-of-Thoughts", "dataset_config": "all",
         "dataset_num_proc": 12, "eos_token": "<|im_end|>", "bf16": True, "do_eval": False,
         "eval_strategy": "no", "gradient_accumulation_steps": 8, **_CHECKPOINTED, **_HUB, **_MIN_LR,
         "learning_rate": "4.0e-05", "log_level": "info", "logging_steps": 1, "packing": False,
         "max_grad_norm": 0.2, "max_length": 32768, "max_steps": -1, "num_train_epochs": 5,
         "per_device_train_batch_size": 2, "report_to": ["wandb"], "save_only_model": True,
         "use_liger_kernel": True, "warmup_steps": 0.03}, LIGER,
    ),
    "open-r1, demonstration": (
        {"dtype": "bfloat16", "dataset_name": "HuggingFaceH4/Bespoke-Stratos-17k", "bf16": True,
         "do_eval": True, "eval_strategy": "no", "gradient_accumulation_steps": 8, **_CHECKPOINTED,
         "learning_rate": "5.0e-05", **_MIN_LR, "packing": True, "max_length": 16384,
         "num_train_epochs": 1, "per_device_eval_batch_size": 16, "per_device_train_batch_size": 16,
         "report_to": ["wandb"], "warmup_steps": 0.05, **_SAVED}, None,
    ),
    "open-r1, code": (
        {"dtype": "bfloat16", "dataset_name": "open-r1/codeforces-cots", "learning_rate": "1.0e-05",
         "dataset_config": "solutions_decontaminated", "eos_token": "<|im_end|>", **_MIN_LR,
         "accelerate_config": "zero3", "num_machines": 2, "num_processes": 16, "packing": False,
         "optim": "paged_adamw_8bit", "gradient_accumulation_steps": 8, "max_length": 32768,
         "num_train_epochs": 10, "per_device_train_batch_size": 1, "max_grad_norm": 0.2}, None,
    ),
    "tulu-like, full": (
        {"model_name_or_path": "meta-llama/Llama-3.1-8B", "dataset_name": "allenai/tulu-3-sft-mixture",
         "learning_rate": "5.0e-6", "lr_scheduler_type": "linear", "warmup_steps": 0.03,
         "weight_decay": 0.0, "max_length": 4096, "num_train_epochs": 2, "dtype": "bfloat16",
         "per_device_train_batch_size": 1, "gradient_accumulation_steps": 2, "num_processes": 8,
         "completion_only_loss": True, **_CHECKPOINTED, "logging_steps": 1}, None,
    ),
    "tulu-like, LoRA": (
        {"learning_rate": "1e-4", "use_peft": True, "lora_r": 64, "lora_alpha": 16,
         "lora_dropout": 0.1, "lora_modules_to_save": ["embed_tokens"], "warmup_steps": 0.03,
         "lora_target_modules": ["q_proj", "o_proj", "v_proj", "k_proj"]}, None,
    ),
    "stack, warmup and decay": (
        {"lr_scheduler_type": "warmup_stable_decay", "warmup_steps": 100,
         "lr_scheduler_kwargs": {"num_decay_steps": 500, "min_lr_ratio": 0.1}, "max_steps": 2000}, None,
    ),
    "stack, restarts": (
        {"lr_scheduler_type": "cosine_with_restarts", "lr_scheduler_kwargs": {"num_cycles": 3},
         "max_steps": 300}, None,
    ),
    "a schedule without its arguments": (
        {"lr_scheduler_type": "cosine_with_min_lr", "max_steps": 300}, "One of min_lr or min_lr_rate",
    ),
    "old, dtype": (
        {"model_name_or_path": "mistralai/Mistral-7B-v0.1", "torch_dtype": "bfloat16"}, None,
    ),
    "old, mixture": ({"dataset_mixer": {"a/b": 1.0}}, "dataset_mixer; write datasets: with one"),
    "old, length": ({"max_seq_length": 2048}, None),
    "old, warmup": ({"warmup_ratio": 0.1}, None),
    "old, evaluation": ({"evaluation_strategy": "no"}, None),
    "open-r1, its own fields": ({"wandb_project": "x"}, "WANDB_PROJECT under env"),
    "DeepSpeed of its own": ({"deepspeed": "ds.json"}, "deepspeed: a distributed run"),
}  # fmt: skip

OTHERS: dict[str, tuple[Recipe, Recipe, str]] = {
    "axolotl, LoRA": (
        {"base_model": "NousResearch/Llama-3.2-1B", "datasets": [{"path": "a/b", "type": "alpaca"}],
         "val_set_size": 0.1, "output_dir": "out", "adapter": "lora", "sequence_len": 2048,
         "sample_packing": True, "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05,
         "lora_target_modules": ["gate_proj", "down_proj"], "gradient_accumulation_steps": 2,
         "micro_batch_size": 2, "num_epochs": 1, "optimizer": "adamw_8bit", "lr_scheduler": "cosine",
         "learning_rate": 0.0002, "bf16": "auto", "gradient_checkpointing": True,
         "flash_attention": True, "warmup_steps": 10, "weight_decay": 0.0,
         "special_tokens": {"pad_token": "<|end_of_text|>"}},
        {"model_name_or_path": "NousResearch/Llama-3.2-1B", "use_peft": True, "max_length": 2048,
         "packing": True, "lora_r": 16, "per_device_train_batch_size": 2, "num_train_epochs": 1,
         "optim": "adamw_8bit", "lr_scheduler_type": "cosine", "learning_rate": 0.0002,
         "target_modules": ["gate_proj", "down_proj"], "warmup_steps": 10},
        "datasets, val_set_size, flash_attention, special_tokens: not taken from Axolotl's",
    ),
    "axolotl, full": (
        {"base_model": "Qwen/Qwen3-0.6B", "sequence_len": 4096, "micro_batch_size": 1,
         "gradient_accumulation_steps": 4, "num_epochs": 3, "optimizer": "adamw_torch_fused",
         "lr_scheduler": "constant", "learning_rate": "1e-5", "bf16": True, "warmup_ratio": 0.1,
         "train_on_inputs": True},
        {"max_length": 4096, "num_train_epochs": 3, "optim": "adamw_torch_fused", "bf16": True,
         "learning_rate": 1e-5, "warmup_steps": 0.1, "completion_only_loss": False},
        "read as a config of Axolotl",
    ),
    "llama-factory, LoRA": (
        {"model_name_or_path": "meta-llama/Meta-Llama-3-8B-Instruct", "stage": "sft", "do_train": True,
         "finetuning_type": "lora", "lora_rank": 8, "lora_target": "all", "dataset": "identity",
         "template": "llama3", "cutoff_len": 2048, "max_samples": 1000, "overwrite_cache": True,
         "output_dir": "out", "logging_steps": 10, "per_device_train_batch_size": 1,
         "gradient_accumulation_steps": 8, "learning_rate": "1.0e-4", "num_train_epochs": 3.0,
         "lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "bf16": True, "ddp_timeout": 180000000},
        {"use_peft": True, "lora_r": 8, "lora_alpha": 16, "lora_dropout": 0.0, "max_length": 2048,
         "target_modules": "all-linear", "learning_rate": 1e-4, "warmup_steps": 0.1,
         "completion_only_loss": True, "bf16": True},
        "dataset, template, max_samples, overwrite_cache, ddp_timeout: not taken from LLaMA-Factory",
    ),
    "llama-factory, full": (
        {"model_name_or_path": "a/b", "stage": "sft", "finetuning_type": "full", "cutoff_len": 1024,
         "learning_rate": 1e-5, "max_steps": 100, "packing": False, "lora_target": "q_proj,v_proj"},
        {"max_length": 1024, "learning_rate": 1e-5, "max_steps": 100, "packing": False, "bf16": False},
        "read as a config of LLaMA-Factory",
    ),
    "llama-factory, some modules": (
        {"finetuning_type": "lora", "stage": "sft", "lora_target": "q_proj, v_proj", "cutoff_len": 512},
        {"target_modules": ["q_proj", "v_proj"], "lora_r": 8, "lora_alpha": 16},
        "read as a config of LLaMA-Factory",
    ),
}  # fmt: skip
