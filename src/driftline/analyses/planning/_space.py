"""Search space of a plan: levers with a few choices each, and the resulting config and levers.

A lever at its plain choice leaves the user's own config as it is, so that every protocol says what it
changes and each change can be taken back alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from pydantic import JsonValue

from ...models import Levers, TrainingConfig, TrainingPlan
from ...results import LeverSetting

Choice = str | float | bool
Settings = Mapping[str, Choice]
"""Lever to choice; a lever that the method has no use for is left out."""

LORA_RATE = 10.0
"""LoRA's best rate is about ten times that of full fine-tuning, so the range moves with the method."""
RATE_RANGE = (0.1, 3.0)
"""Around the user's own rate, or what corresponds to it under another method."""
SLOWED = 0.1
"""The factor of the learning rate at which slowed modules train."""
LORA_METHODS = ("lora", "lora_mlp")
RANKS = (8, 16, 64)
KL, REPLAY = (0.1, 1.0), 0.05
PULL = 1.0
"""L2-SP's weight times the sum of the learning rates: left alone, an update would shrink by exp(-1)."""
RATE_MOVES = (3.0, 0.5, 1.7)
"""Factors of the best protocol's rate: a large step first, since an update that is too large can be
scaled down."""
OSF_SHARE = 0.5
"""Share of each matrix's directions that an orthogonal-subspace run preserves."""
STRONG_DECAY = 0.3
SCALE = "scale of the update"
PART_SCALES = "scales of parts of the update"
_NAMES = {
    "rate": "learning rate",
    "steps": "steps",
    "method": "method",
    "rank": "LoRA rank",
    "weight_decay": "LoRA weight decay",
    "protected": "fragile modules",
    "kl_to_base": "KL to the base",
    "replay_share": "self-generated replay",
    "l2_pull": "pull to the base",
    "loss_adaptive_rate": "loss-adaptive rate",
    "entropy_gate": "entropy-gated loss",
}
_METHODS = {
    "full": "full fine-tuning",
    "lora": "LoRA",
    "lora_mlp": "LoRA on the MLPs",
    "osf": "orthogonal subspace",
}


class Suggester(Protocol):
    """Source of choices; Optuna's trial is one."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Return a number in a range."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Choice]) -> Choice:
        """Return one of the choices."""
        ...


class ProtocolCandidate(NamedTuple):
    """A protocol to be tried."""

    settings: Settings
    config: TrainingConfig
    levers: Levers
    plan: TrainingPlan

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.plan.num_steps

    def with_scale(
        self, scale: float, modules: tuple[tuple[str, float], ...] = ()
    ) -> "ProtocolCandidate":
        """Return the protocol with its update scaled after training, some modules separately."""
        levers = replace(self.levers, interpolation=scale, interpolated_modules=modules)
        return self._replace(levers=levers)


@dataclass(frozen=True)
class PlanSpace:
    """All protocols that may be tried for one config."""

    config: TrainingConfig
    """The user's own."""
    plans: Mapping[float, TrainingPlan]
    """Share of the user's own steps to the plan of such a run; 1.0 is there."""
    choices: Mapping[str, tuple[Choice, ...]]
    """Lever to its choices, the plain one first."""
    mlp_modules: tuple[str, ...]
    fragile_modules: tuple[str, ...] = ()

    def with_fragile(self, modules: Sequence[str]) -> "PlanSpace":
        """Return the space with modules that full fine-tuning may freeze or slow."""
        if not modules or "full" not in self.choices["method"]:
            return self
        choices = {**self.choices, "protected": ("trained", "frozen", "slowed")}
        return replace(self, choices=choices, fragile_modules=tuple(modules))

    @property
    def own_method(self) -> str:
        """Training method of the user's own config."""
        return "lora" if self.config.uses_peft else "full"

    @property
    def plain(self) -> Settings:
        """The user's own run."""
        return self.of_method(self.own_method, {})

    def suggest(self, trial: Suggester) -> Settings:
        """Build a protocol from the sampler's choices."""
        result: dict[str, Choice] = {
            "rate": trial.suggest_float("rate", *RATE_RANGE, log=True),
            "method": trial.suggest_categorical("method", self.choices["method"]),
        }
        for lever in self._levers_of(str(result["method"])):
            if lever not in result:
                result[lever] = trial.suggest_categorical(lever, self.choices[lever])
        return result

    def of_method(self, method: str, chosen: Settings) -> Settings:
        """Return settings with a method, plain if nothing is chosen.

        Args:
            method: One of the method's choices.
            chosen: Choices of other levers; those that the method has no use for are left out.

        Returns:
            One choice for each lever that counts.
        """
        result: dict[str, Choice] = {"rate": 1.0, "method": method}
        for lever in self._levers_of(method):
            result.setdefault(lever, self.choices[lever][0])
        result.update({
            lever: choice
            for lever, choice in chosen.items()
            if lever in result and (lever == "rate" or choice in self.choices[lever])
        })  # fmt: skip
        return {**result, "method": method}

    def first(self) -> tuple[Settings, ...]:
        """Return the protocols to try before sampling: the user's own, and known strong ones."""
        requested = [
            self.plain,
            self.of_method("full", {"protected": "frozen", "kl_to_base": KL[0]}),
            self.of_method("full", {"protected": "frozen", "replay_share": REPLAY}),
            self.of_method("full", {"l2_pull": PULL}),
            self.of_method("lora_mlp", {"kl_to_base": KL[0]}),
        ]
        if self.own_method == "full":
            requested.pop()
        result: list[Settings] = []
        for settings in requested:
            if settings["method"] in self.choices["method"] and settings not in result:
                result.append(settings)
        return tuple(result)

    def moves(self, best: Settings, *, is_within: bool = True) -> Iterator[Settings]:
        """Yield protocols one lever away from the best so far, the most profitable levers first.

        Args:
            is_within: True if some scale of it is within the tolerances; if not, less comes first.
        """
        yield from self._with_rate(best, RATE_MOVES[0] if is_within else 1 / RATE_MOVES[0])
        for lever, choice in (
            ("l2_pull", PULL),
            ("replay_share", REPLAY),
            ("kl_to_base", KL[0]),
            ("protected", "frozen"),
            ("weight_decay", STRONG_DECAY),
        ):
            if choice in self.choices.get(lever, ()) and best.get(lever, choice) != choice:
                yield {**best, lever: choice}
        for factor in RATE_MOVES[1:]:
            yield from self._with_rate(best, factor)
        if "lora_mlp" in self.choices["method"]:
            yield self.of_method("lora_mlp", {"kl_to_base": KL[0]})

    def _with_rate(self, settings: Settings, factor: float) -> Iterator[Settings]:
        rate = min(RATE_RANGE[1], max(RATE_RANGE[0], round(float(settings["rate"]) * factor, 4)))
        # A third, times three, is the user's own rate, whatever was rounded.
        rate = 1.0 if math.isclose(rate, 1.0, rel_tol=1e-3) else rate
        if rate != settings["rate"]:
            yield {**settings, "rate": rate}

    def candidate(self, settings: Settings) -> ProtocolCandidate:
        """Return the config and levers of some settings.

        Args:
            settings: Settings of `suggest`, `of_method` or `without`.

        Returns:
            Config and levers that can be trained.
        """
        share = float(settings.get("steps", 1.0))
        method = str(settings["method"])
        changes: dict[str, JsonValue] = {}
        config = self._with_method(method, settings, changes)
        factor = float(settings["rate"])
        if (method in LORA_METHODS) != self.config.uses_peft:
            factor *= LORA_RATE if method in LORA_METHODS else 1 / LORA_RATE
        if factor != 1.0:
            # Digits that nobody would type tell nothing.
            changes["learning_rate"] = float(f"{self.config.learning_rate * factor:.3g}")
        if share != 1.0:
            config = config.without("num_train_epochs")
            changes["max_steps"] = self.plans[share].num_steps
        return ProtocolCandidate(
            settings,
            config.with_values(**changes) if changes else config,
            self._levers(
                method,
                settings,
                self.plans[share].summed_learning_rate(self.plans[share].num_steps) * factor,
            ),
            self.plans[share],
        )

    def without(self, settings: Settings) -> dict[str, Settings]:
        """Return the same protocol with one lever at a time set back to plain.

        Returns:
            Lever to the settings without it; levers that are plain are left out.
        """
        plain, result = self.plain, {}
        for lever, choice in settings.items():
            if lever == "method":
                if choice != plain["method"]:
                    result[lever] = self.of_method(self.own_method, settings)
            elif choice != (1.0 if lever == "rate" else self.choices[lever][0]):
                usual = 1.0 if lever == "rate" else self.choices[lever][0]
                result[lever] = {**settings, lever: usual}
        return result

    def words(
        self, settings: Settings, *, scale: float = 1.0, parts: Mapping[str, float] | None = None
    ) -> tuple[LeverSetting, ...]:
        """Describe the levers that are not plain."""
        order = ("method", *(lever for lever in _NAMES if lever != "method"))
        changed = [lever for lever in order if lever in self.without(settings)]
        result = [self.word(lever, settings) for lever in changed]
        if parts:
            result.append(parts_word(parts))
        elif scale != 1.0:
            result.append(LeverSetting(lever=SCALE, value=f"{scale:g}", plain="1"))
        return tuple(result)

    def word(self, lever: str, settings: Settings) -> LeverSetting:
        """Describe one lever."""
        plain = self.of_method(str(settings["method"]), {})
        if lever == "method":
            plain = self.plain
        return LeverSetting(
            lever=_NAMES[lever],
            value=self._word(lever, settings),
            plain=self._word(lever, {**plain, "method": plain["method"]}),
        )

    def _word(self, lever: str, settings: Settings) -> str:
        choice = settings[lever]
        if lever == "rate":
            return f"{self.candidate(settings).config.learning_rate:.3g}"
        if lever == "steps":
            return f"{self.plans[float(choice)].num_steps}"
        if lever == "method":
            return _METHODS[str(choice)]
        if isinstance(choice, bool):
            return "on" if choice else "off"
        return choice if isinstance(choice, str) else f"{choice:g}"

    def _levers_of(self, method: str) -> tuple[str, ...]:
        """Return the levers that apply to a method, other than rate and method."""
        apart = {
            "rank": method in LORA_METHODS,
            "weight_decay": method in LORA_METHODS,
            "protected": method == "full",
            "l2_pull": method == "full",
        }
        return tuple(
            lever for lever in self.choices if lever != "method" and apart.get(lever, True)
        )

    def _with_method(
        self, method: str, settings: Settings, changes: dict[str, JsonValue]
    ) -> TrainingConfig:
        """Return the config for a method, and add its new fields to the changes."""
        if method not in LORA_METHODS:
            return self.config.without_adapter() if self.config.uses_peft else self.config
        rank = int(settings["rank"])
        if not self.config.uses_peft:
            changes |= {"use_peft": True, "lora_r": rank, "lora_alpha": 2 * rank}
        elif rank != self.choices["rank"][0]:
            changes |= {"lora_r": rank, "lora_alpha": round(rank * self._own_ratio)}
        if method == "lora_mlp":
            changes["lora_target_modules"] = list[JsonValue](self.mlp_modules)
        if settings["weight_decay"] != self.choices["weight_decay"][0]:
            changes["weight_decay"] = float(settings["weight_decay"])
        # PEFT's own names would speak against TRL's.
        own = {"lora_r": ("r",), "lora_target_modules": ("target_modules",)}
        dropped = [name for key, names in own.items() if key in changes for name in names]
        return self.config.without(*dropped)

    def _levers(self, method: str, settings: Settings, summed_rate: float) -> Levers:
        frozen: tuple[str, ...] = ()
        slowed: tuple[tuple[str, float], ...] = ()
        if settings.get("protected") == "frozen":
            frozen = self.fragile_modules
        elif settings.get("protected") == "slowed":
            slowed = tuple((name, SLOWED) for name in self.fragile_modules)
        return Levers(
            frozen_modules=frozen,
            slowed_modules=slowed,
            kl_to_base=float(settings.get("kl_to_base", 0.0)),
            l2_to_base=float(f"{float(settings.get('l2_pull', 0.0)) / summed_rate:.3g}"),
            replay_share=float(settings.get("replay_share", 0.0)),
            loss_adaptive_rate=bool(settings.get("loss_adaptive_rate", False)),
            entropy_gate=bool(settings.get("entropy_gate", False)),
            osf_rank=OSF_SHARE if method == "osf" else None,
        )

    @property
    def _own_ratio(self) -> float:
        """Alpha over rank, which stays when the rank changes."""
        adapter = self.config.adapter_config()
        return 2.0 if adapter is None else float(adapter.lora_alpha / adapter.r)


def parts_word(parts: Mapping[str, float]) -> LeverSetting:
    """Describe the scales of parts at the chosen evaluation."""
    value = f"{len(parts)} parts at {min(parts.values()):g} to {max(parts.values()):g}"
    return LeverSetting(lever=PART_SCALES, value=value, plain="1")
