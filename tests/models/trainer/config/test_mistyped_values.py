"""Values that are written as a text, or in another shape than the field's, count by what they say or are refused."""

import pytest

from driftline.errors import ConfigError
from driftline.models import output_faults
from driftline.models.trainer.config import _compound_fields as compound
from driftline.models.trainer.config import _other_trainers as others
from driftline.models.trainer.config import _switches as switches

AXOLOTL = {"base_model": "a/b", "learning_rate": 1e-4}
LORA = {**AXOLOTL, "adapter": "lora"}
FACTORY = {"finetuning_type": "full", "stage": "sft", "cutoff_len": 64}
PEFT = {"use_peft": True}


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({**AXOLOTL}, 0.03),
        ({**AXOLOTL, "warmup_ratio": None}, 0.03),
        ({**AXOLOTL, "warmup_ratio": 0.0}, 0),
        ({**AXOLOTL, "warmup_ratio": "0"}, 0),
        ({**AXOLOTL, "warmup_ratio": "3e-2"}, 0.03),
        ({**AXOLOTL, "warmup_ratio": 0.1, "warmup_steps": 0}, 0),
        ({**AXOLOTL, "warmup_ratio": 0.1, "warmup_steps": 7}, 7),
        ({**AXOLOTL, "warmup_ratio": 0.1, "warmup_steps": None}, 0.1),
        ({**FACTORY}, None),
        ({**FACTORY, "warmup_ratio": 0.0}, 0),
        ({**FACTORY, "warmup_ratio": 0.1, "warmup_steps": 0}, 0.1),
        ({**FACTORY, "warmup_ratio": 0.1, "warmup_steps": "0"}, 0.1),
        ({**FACTORY, "warmup_ratio": 0.1, "warmup_steps": 7}, 7),
    ],
    ids=str,
)
def test_a_given_warm_up_of_none_is_none(read, fields, steps):
    config = read(fields)
    assert config.values.get("warmup_steps") == steps
    is_default = "warmup_steps 0.03" in " ".join(config.notes)
    assert is_default == (steps == 0.03 and fields.get("warmup_ratio") is None)


@pytest.mark.parametrize("base", [AXOLOTL, FACTORY], ids=["axolotl", "llama-factory"])
@pytest.mark.parametrize("share", [1, 1.0, 1.5, -0.1, "-1", "much", True, [0.1], float("nan")])
def test_a_warm_up_that_is_no_share_of_the_steps_is_refused(read, base, share):
    with pytest.raises(
        ConfigError, match=r"recipe.yaml: warmup_ratio: .* is not a share .*; write"
    ):
        read({**base, "warmup_ratio": share})


OFF = [
    (AXOLOTL, "train_on_inputs", {"completion_only_loss": True}),
    (AXOLOTL, "bf16", {"bf16": False, "dtype": "float32"}),
    ({**AXOLOTL, "bf16": None}, "bfloat16", {"bf16": False, "dtype": "float32"}),
    ({**AXOLOTL, "bf16": False}, "fp16", {"fp16": None, "dtype": "float32"}),
    ({**AXOLOTL, "bf16": False}, "float16", {"fp16": None, "dtype": "float32"}),
    (AXOLOTL, "gradient_checkpointing", {"gradient_checkpointing": False}),
    (AXOLOTL, "group_by_length", {"train_sampling_strategy": None}),
    (AXOLOTL, "curriculum_sampling", {"train_sampling_strategy": None}),
    (AXOLOTL, "sample_packing", {"packing": False}),
    (AXOLOTL, "rl", {"rl": None}),
    (LORA, "lora_target_linear", {"target_modules": None}),
    (LORA, "load_in_4bit", {"load_in_4bit": False}),
    *[(AXOLOTL, key, {}) for key in (*others._AXOLOTL_REFUSED, "batch_size")],
    (FACTORY, "train_on_prompt", {"completion_only_loss": True}),
    (FACTORY, "bf16", {"bf16": False}),
    (FACTORY, "fp16", {"fp16": False}),
    (FACTORY, "pure_bf16", {"dtype": None}),
    (FACTORY, "neat_packing", {"packing": None}),
    (FACTORY, "use_dft_loss", {"loss_type": None}),
    (FACTORY, "disable_shuffling", {"train_sampling_strategy": None}),
    *[(FACTORY, key, {}) for key in others._LLAMA_FACTORY_REFUSED],
]


@pytest.mark.parametrize("word", ["false", "No", 0])
@pytest.mark.parametrize(("base", "key", "wanted"), OFF, ids=[key for _, key, _ in OFF])
def test_a_switch_of_another_trainer_that_says_no_is_off(read, base, key, wanted, word):
    config, off = read({**base, key: word}), read({**base, key: False})
    assert {name: config.values.get(name) for name in wanted} == wanted
    assert config.values == off.values
    assert config.loss_on_answers


@pytest.mark.parametrize("word", ["true", "Yes", 1])
@pytest.mark.parametrize(
    ("fields", "table"),
    [(LORA, switches.AXOLOTL_SWITCHES), (FACTORY, switches.LLAMA_FACTORY_SWITCHES)],
    ids=["axolotl", "llama-factory"],
)
def test_a_switch_of_another_trainer_that_says_yes_is_on(read, fields, table, word):
    for key in sorted(table.keys() - {"rl"}):
        given = {**fields, "bf16": False}
        worded, on = read({**given, key: word}), read({**given, key: True})
        assert (worded.values, worded.loss_on_answers) == (on.values, on.loss_on_answers), key


@pytest.mark.parametrize("value", ["perhaps", "", 2, [False], {"a": 1}])
def test_a_switch_of_another_trainer_that_says_neither_is_refused(read, value):
    for base, table in (
        (LORA, switches.AXOLOTL_SWITCHES),
        (FACTORY, switches.LLAMA_FACTORY_SWITCHES),
    ):
        for key, words in table.items():
            if words is not None or not isinstance(value, str):
                told = rf"recipe.yaml: {key}: .* is not one of true, false.*; write one"
                with pytest.raises(ConfigError, match=told):
                    read({**base, key: value})


def test_words_beside_true_and_false_keep_their_meaning(read):
    for bf16, wanted in (("auto", True), ("full", False)):
        assert read({**AXOLOTL, "bf16": bf16}).values["bf16"] is wanted
        with pytest.raises(ConfigError, match=f"bf16: '{bf16}' is not one of true, false; write"):
            read({**FACTORY, "bf16": bf16})
    for word in ("unsloth", "offload", "offload_disk"):
        assert read({**AXOLOTL, "gradient_checkpointing": word}).values["gradient_checkpointing"]
    assert "packing" not in read({**AXOLOTL, "sample_packing": "auto"}).values
    with pytest.raises(ConfigError, match="rl: grpo is not supported"):
        read({**AXOLOTL, "rl": "grpo"})


@pytest.mark.parametrize("rank", [0, -1, True, "x", 8.5])
def test_a_rank_that_no_adapter_has_is_not_replaced_by_the_default(read, rank):
    with pytest.raises(ConfigError, match=r"lora_rank: .* is not a whole number above 0, such as"):
        read({**FACTORY, "finetuning_type": "lora", "lora_rank": rank})


LISTS = [
    ("report_to", "a text or a list of texts; write `report_to: [name, other]`"),
    ("lora_target_modules", "a text or a list of texts"),
    ("target_modules", "a list of texts or a text"),
    ("exclude_modules", "a list of texts or a text"),
    ("lora_target_parameters", "a list of texts"),
    ("lora_modules_to_save", "a list of texts"),
    ("optim_target_modules", "a text or a list of texts"),
    ("label_names", "a text or a list of texts"),
    ("layers_pattern", "a list of texts or a text"),
    ("alora_invocation_tokens", "a list of whole numbers; write `alora_invocation_tokens: [1, 2]`"),
    ("layers_to_transform", "a list of whole numbers or a whole number"),
    ("layer_replication", "a list of lists"),
]


@pytest.mark.parametrize("value", [{"a": 1}, {}, [["a"]], [{"a": 1}], [None], True])
@pytest.mark.parametrize(("key", "shape"), LISTS, ids=[key for key, _ in LISTS])
def test_a_list_of_another_shape_is_refused_with_the_one_to_write(read, key, shape, value):
    if key == "layer_replication" and value == [["a"]]:
        value = [["a"], 5]
    with pytest.raises(ConfigError) as caught:
        read({**PEFT, key: value})
    assert f"recipe.yaml: {key}: {value!r} is not {shape}" in str(caught.value)


MAPPINGS = (
    "lr_scheduler_kwargs", "model_init_kwargs", "gradient_checkpointing_kwargs", "dataset_kwargs",
    "accelerator_config", "fsdp_config", "liger_kernel_config", "rank_pattern", "alpha_pattern",
    "loftq_config", "eva_config",
)  # fmt: skip


@pytest.mark.parametrize("value", [[1], [{"a": 1}], 1, True])
@pytest.mark.parametrize("key", MAPPINGS)
def test_another_value_than_a_mapping_is_refused_with_the_shape_to_write(read, key, value):
    with pytest.raises(ConfigError) as caught:
        read({**PEFT, key: value})
    assert f"recipe.yaml: {key}: {value!r} is not a mapping" in str(caught.value)
    assert f"write `{key}: {{name: value}}`" in str(caught.value)


def test_the_letters_of_a_text_are_no_modules_to_save(read):
    for key in ("modules_to_save", "lora_modules_to_save"):
        with pytest.raises(ConfigError, match=f"{key}: 'lm_head' is not a list of texts; write"):
            read({**PEFT, key: "lm_head"})
        assert read({**PEFT, key: ["lm_head"]}).adapter_config().modules_to_save == ["lm_head"]


def test_values_of_the_right_shape_are_taken(read):
    assert set(dict(LISTS)) | set(MAPPINGS) <= compound._COMPOUND.keys()
    for key in compound._COMPOUND:
        assert read({**PEFT, key: None}).uses_peft
    fields = {
        "report_to": ["none"], "lora_target_modules": "all-linear", "layers_to_transform": 1,
        "layer_replication": [[0, 2], [1, 3]], "trainable_token_indices": {"embed_tokens": [0, 1]},
        "debug": ["underflow_overflow"], "lr_scheduler_kwargs": '{"num_cycles": 2}',
        "accelerator_config": {"split_batches": True}, "fsdp_config": "fsdp.json", "rank_pattern": {},
    }  # fmt: skip
    config = read({**PEFT, **fields})
    assert output_faults(config) == ()
    assert config.values == {**PEFT, **fields, "lr_scheduler_kwargs": {"num_cycles": 2}}
