"""The mend for a key that TRL does not know: today's name, another key, or a slip of the pen."""

import difflib

from ._config_fields import PEFT_FIELDS, TRL_FIELDS

_RENAMED = {
    "max_seq_len": "max_length", "sequence_len": "max_length", "cutoff_len": "max_length",
    "tokenizer_eos_token": "eos_token", "block_size": "max_length",
    "micro_batch_size": "per_device_train_batch_size", "num_epochs": "num_train_epochs",
    "epochs": "num_train_epochs", "batch_size": "per_device_train_batch_size", "lr": "learning_rate",
    "optimizer": "optim", "lr_scheduler": "lr_scheduler_type", "lora_rank": "lora_r",
    "lora_target": "lora_target_modules", "preprocessing_num_workers": "dataset_num_proc",
    "model_name": "model_name_or_path", "model": "model_name_or_path",
    "dataset": "dataset_name", "dataset_split": "dataset_train_split",
    "completions_only": "completion_only_loss", "train_on_completions_only": "completion_only_loss",
    "load_4bit": "load_in_4bit", "load_8bit": "load_in_8bit",
    "neftune_alpha": "neftune_noise_alpha", "grad_accum_steps": "gradient_accumulation_steps",
    "num_epoch": "num_train_epochs", "n_epochs": "num_train_epochs", "epoch": "num_train_epochs",
    "train_epochs": "num_train_epochs", "max_epochs": "num_train_epochs",
    "train_batch_size": "per_device_train_batch_size", "batchsize": "per_device_train_batch_size",
    "per_device_batch_size": "per_device_train_batch_size", "bs": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "grad_accum": "gradient_accumulation_steps", "grad_acc_steps": "gradient_accumulation_steps",
    "gradient_accumulation": "gradient_accumulation_steps",
    "accumulate_grad_batches": "gradient_accumulation_steps",
    "wd": "weight_decay", "scheduler": "lr_scheduler_type", "lr_schedule": "lr_scheduler_type",
    "scheduler_type": "lr_scheduler_type", "warmup": "warmup_steps", "num_warmup_steps": "warmup_steps",
    "max_len": "max_length", "seq_len": "max_length", "seq_length": "max_length",
    "context_length": "max_length", "model_max_length": "max_length", "max_tokens": "max_length",
    "sequence_length": "max_length", "rank": "lora_r", "alpha": "lora_alpha",
    "lora_modules": "lora_target_modules", "peft": "use_peft", "lora": "use_peft",
    "use_lora": "use_peft", "load_in_4bits": "load_in_4bit", "load_in_8bits": "load_in_8bit",
    "bnb_4bit_use_double_quant": "use_bnb_nested_quant", "attn_impl": "attn_implementation",
    "attention": "attn_implementation", "use_gradient_checkpointing": "gradient_checkpointing",
    "steps": "max_steps", "num_steps": "max_steps", "total_steps": "max_steps",
    "num_training_steps": "max_steps", "clip_grad": "max_grad_norm", "max_grad": "max_grad_norm",
    "gradient_clip_val": "max_grad_norm", "grad_clip": "max_grad_norm", "beta1": "adam_beta1",
    "beta2": "adam_beta2", "epsilon": "adam_epsilon", "adam_eps": "adam_epsilon",
    "optimiser": "optim", "optimizer_type": "optim", "random_seed": "seed",
    "text_column": "dataset_text_field", "text_field": "dataset_text_field",
    "num_proc": "dataset_num_proc", "num_workers": "dataloader_num_workers",
    "dataloader_workers": "dataloader_num_workers", "label_smoothing": "label_smoothing_factor",
    "liger_kernel": "use_liger_kernel", "neftune": "neftune_noise_alpha", "noise_alpha": "neftune_noise_alpha",
    "compile": "torch_compile", "out_dir": "output_dir", "output": "output_dir",
    "push_hub": "push_to_hub", "hf_token": "hub_token", "hub_repo_id": "hub_model_id",
    "completion_only": "completion_only_loss", "model_name_or_id": "model_name_or_path",
    "tokenizer_pad_token": "pad_token", "save_total": "save_total_limit",
}  # fmt: skip
_MENDS = {
    "warmup_ratio": "write the share as warmup_steps (warmup_steps: 0.1 is 10 % of the steps)",
    "group_by_length": "write train_sampling_strategy: group_by_length",
    "use_flash_attention_2": "write attn_implementation: flash_attention_2",
    "use_flash_attn": "write attn_implementation: flash_attention_2",
    "gradient_checkpointing_use_reentrant": "write gradient_checkpointing_kwargs: "
    "{use_reentrant: false}",
    "use_reentrant": "write gradient_checkpointing_kwargs: {use_reentrant: false}",
    "dataset_mixer": "write datasets: with one {path, split, fraction} for each",
    "dataset_mixture": "write datasets: with one {path, split, fraction} for each",
    "dataset_splits": "write dataset_train_split and dataset_test_split",
    "chat_template": "put the template into a .jinja file and name it in chat_template_path",
    "tokenizer_name_or_path": "save that tokenizer beside the model",
    "system_prompt": "put it into the rows as a message of the system",
    "adafactor": "write optim: adafactor",
    "bos_token": "it belongs to the tokenizer; save it beside the model, and remove the key",
    "padding_side": "TRL pads on the right; remove it",
    "tokenizer": "save that tokenizer beside the model",
    "tokenizer_name": "save that tokenizer beside the model",
    "pad_token_id": "write pad_token with the token's text",
    "eos_token_id": "write eos_token with the token's text",
    "dropout": "write lora_dropout for an adapter; the model's own is in its config.json",
    "qlora": "write use_peft: true and load_in_4bit: true",
    "quantization": "write load_in_4bit: true or load_in_8bit: true",
    "bnb_4bit_compute_dtype": "TRL computes in dtype; write that, and remove the key",
    "use_flash_attention": "write attn_implementation: flash_attention_2",
    "flash_attn": "write attn_implementation: flash_attention_2",
    "flash_attention": "write attn_implementation: flash_attention_2",
    "precision": "write bf16: true, fp16: true, or bf16: false for neither",
    "fp32": "write bf16: false, which TRL otherwise switches on",
    "train_file": "name the file with --data",
    "train_data": "name the file with --data",
    "data_path": "name the file with --data",
    "dataset_path": "name the folder with --data",
    "validation_file": "name the file with --eval-data",
    "test_file": "name the file with --eval-data",
    "train_on_responses_only": "write assistant_only_loss: true for chats, completion_only_loss: true "
    "for prompts and completions",
    "response_template": "write completion_only_loss: true, and give rows of prompt and completion",
    "instruction_template": "write completion_only_loss: true, and give rows of prompt and completion",
    "warmup_epochs": "write the share as warmup_steps (warmup_steps: 0.1 is 10 % of the steps)",
    "wandb": "write report_to: wandb",
    "deepspeed_config": "a distributed run is not supported; remove it",
    "device": "set CUDA_VISIBLE_DEVICES; remove it",
    "device_map": "write it into model_init_kwargs",
    "early_stopping_patience": "TRL's command line does not take it; remove it",
    "max_prompt_length": "it belongs to DPO or GRPO, which are not supported; remove it",
    "num_generations": "it belongs to GRPO, which is not supported; remove it",
    "reward_funcs": "it belongs to GRPO, which is not supported; remove it",
    **dict.fromkeys(
        (
            "use_mps_device",
            "dispatch_batches",
            "split_batches",
            "sharded_ddp",
            "tpu_num_cores",
            "sortish_sampler",
            "predict_with_generate",
        ),
        "transformers no longer has it for this trainer; remove it",
    ),
    "use_unsloth": "it belongs to another trainer; remove it",
    "beta": "it belongs to DPO, which is not supported; remove it",
    "wandb_project": "TRL does not take it; set the environment variable WANDB_PROJECT under env:",
    "wandb_entity": "TRL does not take it; set the environment variable WANDB_ENTITY under env:",
    "wandb_run_group": "TRL does not take it; set the environment variable WANDB_RUN_GROUP under "
    "env:",
}


def hint(key: str) -> str:
    """Name the mend for an unknown key."""
    if key in _RENAMED:
        return f"TRL calls it {_RENAMED[key]}"
    if key in _MENDS:
        return _MENDS[key]
    # A name with a word more or less is another thing, not a slip of the pen.
    words = set(key.split("_"))
    others = (name for name in sorted(TRL_FIELDS | PEFT_FIELDS) if words - {*name.split("_")})
    alike = [name for name in others if {*name.split("_")} - words]
    close = difflib.get_close_matches(key, alike, n=1, cutoff=0.84)
    return f"did you mean {close[0]}?" if close else "TRL has no such field; remove it"
