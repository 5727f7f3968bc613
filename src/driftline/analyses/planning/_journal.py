"""The study of a plan: which protocol comes next, and what came of those before, by Optuna.

The study lies in the run folder as a journal, one JSON record a line, so that a search that was killed
resumes where it stopped. The sampler is seeded anew for every trial, so that its choice depends on
the trials before alone and not on which process ran them.
"""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from ...errors import OutputError
from ...provenance import digest_value
from ._space import Choice, PlanSpace, ProtocolCandidate, Settings, Suggester
from ._trials import Trial

_NAME = "plan"
_NUM_RANDOM = 8
"""Search trials before the sampler models anything, those that are given among them."""
SEARCH = "search"


@dataclass
class Asked:
    """A trial that is to be run."""

    number: int
    purpose: str
    settings: Settings


class PlanStudy:
    """Study that proposes protocols and records their results, on disk at once."""

    def __init__(self, path: Path, *, seed: int) -> None:
        """Open a study, or begin it."""
        _mend(path)
        self._seed = seed
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(path))),
                study_name=_NAME,
                direction="maximize",
                load_if_exists=True,
            )
        except OSError:
            raise
        except Exception as error:
            # Optuna replays the journal, and whatever is wrong in it breaks that in a way of its own.
            raise OutputError(
                f"{path}: the journal of the search is damaged ({type(error).__name__}: {error}); "
                "remove that file and run the same command again, which searches anew"
            ) from error
        self._open: dict[int, optuna.trial.Trial] = {}

    def ask(self, space: PlanSpace, settings: Settings | None, purpose: str = SEARCH) -> Asked:
        """Return the next protocol; one that a killed process had begun comes first.

        Args:
            space: Search space.
            settings: Settings to try; None leaves the choice to the sampler.
            purpose: `search`, or the lever that is switched back.

        Returns:
            Number and settings to run.
        """
        trial = self._begun()
        if trial is None:
            self._study.sampler = self._sampler()
            if settings is not None and not self._trials(TrialState.WAITING):
                self._study.enqueue_trial(dict(settings), user_attrs={"purpose": purpose})
            with _silent():
                trial = self._study.ask()
        with _silent():
            # Of a trial that was begun, Optuna gives what was picked then.
            result = space.suggest(cast(Suggester, trial))
        self._open[trial.number] = trial
        return Asked(trial.number, trial.user_attrs.get("purpose", SEARCH), result)

    def tell(self, trial: Trial) -> None:
        """Record the result of a trial."""
        request = self._open.pop(trial.number)
        request.set_user_attr("tokens", trial.tokens)
        request.set_user_attr("seconds", trial.seconds)
        request.set_user_attr("state", trial.state)
        request.set_user_attr("reason", trial.reason)
        request.set_user_attr("violation", trial.violation)
        with _silent():
            if trial.state == "out of budget":
                self._study.tell(request, state=TrialState.FAIL)
            elif trial.state == "stopped":
                request.report(trial.value, step=0)
                self._study.tell(request, state=TrialState.PRUNED)
            else:
                self._study.tell(request, trial.value)

    def drop(self, request: Asked) -> None:
        """Withdraw a protocol that is not run after all."""
        self._study.tell(self._open.pop(request.number), state=TrialState.FAIL)

    def earlier(self, space: PlanSpace) -> list[Trial]:
        """Return the trials of earlier processes, without their evaluations."""
        return [
            Trial(
                number=known.number,
                purpose=known.user_attrs.get("purpose", SEARCH),
                candidate=_candidate(space, known),
                state=known.user_attrs["state"],
                tokens=known.user_attrs["tokens"],
                seconds=known.user_attrs["seconds"],
                reason=known.user_attrs["reason"],
            )
            for known in self._trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
            if "state" in known.user_attrs
        ]

    @property
    def num_searched(self) -> int:
        """Count the search trials that were run."""
        return sum(
            "state" in known.user_attrs and known.user_attrs.get("purpose", SEARCH) == SEARCH
            for known in self._study.get_trials(deepcopy=False)
        )

    def note(self, key: str) -> object:
        """Return the value stored under a key; None if there is none."""
        return self._study.user_attrs.get(key)

    def keep(self, key: str, value: object) -> None:
        """Store a JSON value with the study."""
        self._study.set_user_attr(key, value)

    def _begun(self) -> optuna.trial.Trial | None:
        for known in self._trials(TrialState.RUNNING):
            if known.number not in self._open:
                return optuna.trial.Trial(self._study, known._trial_id)
        return None

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states)

    def _sampler(self) -> TPESampler:
        digest = digest_value([self._seed, self.num_searched]).removeprefix("sha256:")
        with _silent():
            return TPESampler(
                seed=int(digest[:8], 16),
                n_startup_trials=_NUM_RANDOM,
                multivariate=True,
                group=True,
                constraints_func=_violation,
            )


def _violation(trial: FrozenTrial) -> Sequence[float]:
    return (float(trial.user_attrs.get("violation", 0.0)),)


def _candidate(space: PlanSpace, known: FrozenTrial) -> ProtocolCandidate:
    return space.candidate(cast(Mapping[str, Choice], known.params))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Silence Optuna's warnings, in every trial, that groups and constraints are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _mend(path: Path) -> None:
    """Remove a last line that a kill truncated, and the lock that it held."""
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        path.write_bytes(whole)
