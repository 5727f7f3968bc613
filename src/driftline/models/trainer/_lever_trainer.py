"""TRL's trainer with the levers on it; without levers it is TRL's own, bit for bit.

Three places of the trainer are overridden, and each calls the trainer's own: the loss, the making of the
optimiser, and, through a callback, the moments before and after an optimiser step.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any

import datasets
import torch
from peft import LoraConfig, OSFConfig, PeftConfig, PeftModel
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig

from ...errors import ConfigError
from ..language_model import LanguageModel, list_places, module_names, tied_names
from ._adapter_checks import adapter_named
from ._interrupts import interrupts_heard
from ._rounded_trainer import RoundedTrainer
from ._training_copy import training_copy
from .config import TrainingConfig, streams, told_in_one_line
from .data import (
    PreparedRows,
    TrainingData,
    check_chats,
    check_token_ids,
    is_of_a_row,
    quiet_datasets,
    refuse_row,
)
from .levers import Levers, TrainedPass

MOST_RATE = 2.0
"""The loss-adaptive rate is at most so many times the planned one."""


class LeverTrainer(RoundedTrainer):
    """TRL's trainer, with levers and without its telemetry."""

    def __init__(
        self,
        base: LanguageModel,
        levers: Levers,
        prepared: PreparedRows | None = None,
        sources: Mapping[str, TrainingData] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Set up TRL's trainer.

        Args:
            base: Base model of the regularisation; read, never changed.
            levers: Levers to hold them by.
            prepared: Rows that a trainer with the same config has tokenised before.
            sources: Where rows come from, by TRL's names of them (train, eval), for messages.
            **kwargs: TRL's own.
        """
        self._base, self._levers, self._prepared = base, levers, prepared
        self._sources = sources or {}
        self._row_arguments: tuple[Any, ...] = ()
        self._own_rows = kwargs.get("train_dataset")
        self._reads_body = levers.entropy_gate or levers.kl_to_base > 0
        self._step_losses: list[Tensor] = []
        super().__init__(**kwargs)
        if levers.loss_adaptive_rate or levers.l2_to_base:
            self.add_callback(_AroundStep(self))

    @property
    def levers(self) -> Levers:
        """Levers of the run."""
        return self._levers

    @property
    def base(self) -> LanguageModel:
        """Base model to which the trained weights are regularised."""
        return self._base

    def step_loss(self) -> float:
        """Return the training loss of the next step, in nats per token; it can be read once."""
        losses, self._step_losses = self._step_losses, []
        return float(torch.stack(losses).sum())

    def distance_to_base(self) -> dict[str, tuple[torch.nn.Parameter, Tensor]]:
        """Return each trained weight of a full fine-tuning with its initial value."""
        start = dict(self._base.model.named_parameters())
        return {
            name: (weight, start[name].detach())
            for name, weight in self.model.named_parameters()
            if weight.requires_grad
        }

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - a loss, or with its outputs, as in TRL
        """Compute TRL's loss, weighed by the entropy gate, plus the KL to the base."""
        levers = self._levers
        if not self.model.training or not (self._reads_body or levers.loss_adaptive_rate):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not self._reads_body:
            loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            self._note(loss, num_items_in_batch)
            return loss
        inner = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        with TrainedPass(model, inner, entropy_gate=levers.entropy_gate) as trained:
            loss = super().compute_loss(trained, inputs, num_items_in_batch=num_items_in_batch)
        self._note(loss, num_items_in_batch)
        if levers.kl_to_base:
            with self.accelerator.autocast():
                total, num_here = trained.kl_from(self._base.model)
            num_tokens = num_here if num_items_in_batch is None else num_items_in_batch
            loss = loss + levers.kl_to_base * total / torch.as_tensor(num_tokens).clamp(min=1)
            self._metrics["train"]["kl_to_base"].append(float(total.detach()) / max(1, num_here))
        return loss

    def _note(self, loss: Tensor, num_items_in_batch: Tensor | int | None) -> None:
        """Store a part of the step's loss; without a count of tokens it is a mean by itself."""
        if self._levers.loss_adaptive_rate:
            parts = (
                1 if num_items_in_batch is not None else self.current_gradient_accumulation_steps
            )
            self._step_losses.append(loss.detach() / parts)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:  # noqa: ANN401
        """Create TRL's optimiser, with slowed modules in groups of their own."""
        is_new = self.optimizer is None
        optimizer: torch.optim.Optimizer = super().create_optimizer(*args, **kwargs)
        if is_new and self._levers.slowed_modules:
            slow_modules(optimizer, self.model, dict(self._levers.slowed_modules))
        return optimizer

    def _prepare_dataset(self, dataset: datasets.Dataset, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Tokenise by TRL, once for all trainers of the same data and config."""
        if args and args[-1] == "train":
            self._row_arguments = args
        if self._prepared is None or dataset is not self._own_rows:
            return self._tokenised(dataset, *args, **kwargs)
        rows = self._prepared.get()
        if rows is None:
            rows = self._tokenised(dataset, *args, **kwargs)
            self._prepared.put(rows)
        return rows

    def _tokenised(self, dataset: datasets.Dataset, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Tokenise by TRL; a row that it refuses is named."""
        data = self._sources.get(str(args[-1])) if args and not kwargs else None
        prepare = super()._prepare_dataset
        try:
            return prepare(dataset, *args, **kwargs)
        except Exception:
            if data is not None:
                refuse_row(prepare, args, data)
            raise

    def train(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - TRL's own
        """Train as TRL does; a row that it refuses while rows are streamed is named."""
        try:
            return super().train(*args, **kwargs)
        except Exception as error:
            if "train" in self._sources and is_of_a_row(error):
                refuse_row(super()._prepare_dataset, self._row_arguments, self._sources["train"])
            raise

    def _send_telemetry(self) -> None:
        pass


class _AroundStep(TrainerCallback):  # type: ignore[misc]
    """Callback that scales the learning rate before a step, and pulls weights back after it."""

    def __init__(self, trainer: LeverTrainer) -> None:
        self._trainer = trainer
        self._planned: list[float] = []
        self._pairs: dict[int, Tensor] = {}

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        groups = self._trainer.optimizer.param_groups
        self._planned = [float(group["lr"]) for group in groups]
        if self._trainer.levers.loss_adaptive_rate:
            factor = adaptive_rate_factor(self._trainer.step_loss())
            for group in groups:
                group["lr"] *= factor

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        groups = self._trainer.optimizer.param_groups
        if weight := self._trainer.levers.l2_to_base:
            if not self._pairs:
                pairs = self._trainer.distance_to_base().values()
                self._pairs = {id(trained): start for trained, start in pairs}
            with torch.no_grad():
                for group in groups:
                    for trained in group["params"]:
                        start = self._pairs[id(trained)]
                        trained.lerp_(start.to(trained), float(group["lr"]) * weight)
        # Schedules that go by the last rate, and the logs, must meet the planned one.
        for group, rate in zip(groups, self._planned, strict=True):
            group["lr"] = rate


def adaptive_rate_factor(loss: float) -> float:
    """Compute the factor of a step's learning rate, min(2, 1 / sqrt(loss)).

    Args:
        loss: The step's training loss, in nats per token.

    Returns:
        The factor; 1 at a loss of 1 nat.

    >>> adaptive_rate_factor(4.0)
    0.5
    >>> adaptive_rate_factor(0.0)
    2.0
    """
    return MOST_RATE if loss <= MOST_RATE**-2 else 1 / math.sqrt(loss)


def slow_modules(
    optimizer: torch.optim.Optimizer, model: torch.nn.Module, factors: Mapping[str, float]
) -> None:
    """Move the weights of some modules into groups with a lower learning rate."""
    by_weight = {
        id(weight): factors[name]
        for name in sorted(factors, key=lambda name: name.count("."))
        for weight in _weights_of(model, name)
    }
    for group in list(optimizer.param_groups):
        slowed: dict[float, list[Tensor]] = {}
        for weight in group["params"]:
            if id(weight) in by_weight:
                slowed.setdefault(by_weight[id(weight)], []).append(weight)
        group["params"] = [weight for weight in group["params"] if id(weight) not in by_weight]
        for factor, weights in slowed.items():
            settings = {key: value for key, value in group.items() if key != "params"}
            rate = float(group["lr"]) * factor
            optimizer.add_param_group({**settings, "params": weights, "lr": rate})


def lever_trainer(
    opened: LanguageModel,
    config: TrainingConfig,
    data: TrainingData,
    *,
    arguments: SFTConfig,
    levers: Levers,
    evaluation: TrainingData | None = None,
) -> LeverTrainer:
    """Build TRL's trainer on a copy of the model.

    Args:
        opened: The base; it is not changed.
        config: The user's config.
        data: Data to train on, replay included.
        arguments: TRL's arguments.
        levers: Mitigations of the run.
        evaluation: Rows to evaluate on while it trains.

    Returns:
        The trainer.

    Raises:
        ConfigError: Config, data or levers cannot be used with this model, or with each other.
        DataError: A row of token ids has one that the model lacks.
    """
    levers.check(config)
    if levers.to_values() and (arguments.n_gpu > 1 or arguments.world_size > 1):
        raise ConfigError(
            f"levers: {arguments.n_gpu} GPUs and {arguments.world_size} processes: levers are for one "
            "process on one GPU; set CUDA_VISIBLE_DEVICES=0"
        )
    check_token_ids(data, opened.model.get_input_embeddings().weight.shape[0])
    check_chats(opened, config, data)
    model = training_copy(opened, config)
    if config.for_data(is_chat=data.is_chat).values.get("assistant_only_loss"):
        arguments.assistant_only_loss = True
    for name in levers.frozen_modules:
        for weight in _weights_of(model, name, f"{config.name}: frozen_modules"):
            weight.requires_grad_(False)
    for name, _ in levers.slowed_modules:
        _weights_of(model, name, f"{config.name}: slowed_modules")
    for name, _ in levers.interpolated_modules:
        _check_has_weights(opened, name, f"{config.name}: interpolated_modules")
    rows = data.rows()
    if streams(config):
        rows = rows.to_iterable_dataset()
    refusal = f"with {data.name}, the trainer refuses them"
    told = told_in_one_line(config, refusal)
    with interrupts_heard(), quiet_datasets(), told, adapter_named(config, opened):
        trainer = LeverTrainer(
            opened,
            levers,
            PreparedRows(opened, config, data),
            {"train": data} if evaluation is None else {"train": data, "eval": evaluation},
            model=model,
            args=arguments,
            train_dataset=rows,
            eval_dataset=None if evaluation is None else evaluation.rows(),
            processing_class=_tokenizer_copy(opened),
            peft_config=_adapter_config(config, levers),
        )
    _check_shapes(trainer, opened, config)
    return trainer


def _tokenizer_copy(opened: LanguageModel) -> Any:  # noqa: ANN401 - any tokenizer
    """Copy the tokenizer, without its warning about rows longer than the model: TRL cuts them."""
    tokenizer = copy.deepcopy(opened.tokenizer)
    told = getattr(tokenizer, "deprecation_warnings", None)
    if isinstance(told, dict):
        told["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


def _weights_of(
    model: torch.nn.Module, name: str, lever: str = "modules"
) -> list[torch.nn.Parameter]:
    """Return the weights of a module, or those that the map has under a parameter's own name."""
    weights = dict(model.named_parameters())
    if name in weights:
        return [weights[each] for each, module in module_names(model).items() if module == name]
    return list(_module(model, name, lever).parameters())


def _module(model: torch.nn.Module, name: str, lever: str) -> torch.nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError:
        raise ConfigError(
            f"{lever}: the model has no module {name}; take names such as model.layers.0.mlp from it"
        ) from None


def _check_has_weights(opened: LanguageModel, name: str, lever: str) -> None:
    """Refuse a module to scale that no weight is named after: its scale would silently do nothing."""
    module = _module(opened.model, name, lever)
    if any(weight.startswith(f"{name}.") for weight in list_places(opened.model)):
        return
    aliases = tied_names(opened.model)
    own = next((w for alias, w in aliases.items() if alias.startswith(f"{name}.")), None)
    if own is None:
        raise ConfigError(
            f"{lever}: {name}: holds no weight ({type(module).__name__}); leave it out"
        )
    raise ConfigError(
        f"{lever}: {name}: is tied to another module; name {own.rpartition('.')[0]} instead"
    )


def _adapter_config(config: TrainingConfig, levers: Levers) -> PeftConfig | LoraConfig | None:
    rank = levers.osf_rank
    if rank is None:
        return config.adapter_config()
    return OSFConfig(
        effective_rank=rank if rank < 1 else int(rank),
        target_modules=config.values.get("lora_target_modules", "all-linear"),
        task_type="CAUSAL_LM",
    )


def _check_shapes(trainer: LeverTrainer, opened: LanguageModel, config: TrainingConfig) -> None:
    """Refuse to hold a model to its base where TRL gave it a larger vocabulary."""
    levers = trainer.levers
    if levers.kl_to_base or levers.l2_to_base or levers.is_interpolated:
        sizes = [
            model.get_input_embeddings().weight.shape for model in (trainer.model, opened.model)
        ]
        if sizes[0] != sizes[1]:
            raise ConfigError(
                f"{config.name}: the run adds tokens to the vocabulary, so its weights cannot be held "
                "to the base's; remove kl_to_base, l2_to_base, interpolation and interpolated_modules"
            )
