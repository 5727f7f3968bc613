"""The items by which a plan or a repair chose the model that is certified."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...capabilities import Capability, Suite
from ...errors import InputError
from ...results import ModelProvenance
from ..items import keys_of, without_choosing


@dataclass(frozen=True)
class ChoosingItems:
    """The items by which a plan or a repair chose the tuned model."""

    name: str
    """The name of its run, as the user gave it."""
    digest: str
    """Digest of its document."""
    keys: frozenset[str]
    """As `item_key` makes them."""
    suites: frozenset[str]
    """Digests of the suites that they are of."""
    base: ModelProvenance
    tuned_digest: str | None
    """Digest of the weights that were chosen; None where it is a protocol that was."""


def unchosen(suites: Sequence[Suite], chosen_by: Sequence[ChoosingItems]) -> tuple[Capability, ...]:
    """Leave out the items that chose the tuned model, and their groups.

    Args:
        suites: What is to be certified.
        chosen_by: The runs that chose it.

    Returns:
        The capabilities of the suites, with the items that are left.

    Raises:
        InputError: A run chose by one of these suites, and none of the items is among its own.
        SuiteError: Too few items of a capability are left.
    """
    capabilities = tuple(c for suite in suites for c in suite.capabilities)
    keys = frozenset(keys_of(capabilities))
    for run in chosen_by:
        if not run.keys & keys and run.suites & {suite.provenance().digest for suite in suites}:
            raise InputError(
                f"--chosen-by {run.name}: provenance.chosen_on: names none of the items of the suite that it chose "
                "by, so it was edited or is of another version; run it again, or give items that it did not have"
            )
    return without_choosing(capabilities, frozenset[str]().union(*(run.keys for run in chosen_by)))


def check_choices(
    chosen_by: Sequence[ChoosingItems],
    bases: Sequence[ModelProvenance],
    tuned: str,
    tuned_digest: str | None,
) -> None:
    """Refuse a run that chose another model, as far as weights of one dtype can tell.

    Args:
        chosen_by: The runs that are said to have chosen it.
        bases: Its base, as it was opened, and with its head untied where tuning moved that.
        tuned: Its name.
        tuned_digest: Digest of its weights; None where they cannot be merged.

    Raises:
        InputError: A run is about another base, or a repair about other weights.
    """
    for run in chosen_by:
        # Rounded to another dtype, the same weights have another digest.
        if run.base.dtype != bases[0].dtype:
            continue
        if run.base.digest not in {base.digest for base in bases}:
            raise InputError(
                f"--chosen-by {run.name}: is about another base than {bases[0].source}; name the run that chose "
                f"{tuned}"
            )
        if run.tuned_digest is not None and tuned_digest not in (None, run.tuned_digest):
            raise InputError(
                f"--chosen-by {run.name}: chose other weights than those of {tuned}; name the run that chose these"
            )


def num_left_out(whole: Sequence[Capability], left: Sequence[Capability]) -> dict[str, int]:
    """Count the items of each capability that were left out; those that lost none do not appear."""
    pairs = zip(whole, left, strict=True)
    counts = {each.name: len(each.items) - len(part.items) for each, part in pairs}
    return {name: num for name, num in counts.items() if num}
