"""Limitations of a certification, for the document itself."""

from collections.abc import Iterator, Mapping, Sequence

from ...results import (
    CapabilityClaim,
    CertificationGuards,
    CertificationPolicy,
    EqualItems,
    Numerics,
)

_CLAIMS = (
    "Two claims are made, and they differ. That all required capabilities are retained: each is "
    "tested at alpha, and no correction is due. That each one is retained: read the adjusted "
    "verdict, which Holm's correction holds over all {num} claims together."
)
_SCOPE = (
    "A claim is statistical and about items drawn like these: a capability that is broken passes "
    "with a chance of at most {alpha:g}. What the suite does not ask is not covered."
)
_MARGIN = (
    "Margins are the suite's tolerances. The claims hold if they, the items and alpha were fixed "
    "before any score of the tuned model was seen."
)
_POLICY = (
    "Margins, tiers and alpha are those of the policy {name} ({digest}); what it does not name stays "
    "as its suite says. The claims hold if the policy and the items were fixed before any score of "
    "the tuned model was seen."
)
_SEQUENTIAL = (
    "Items were scored in seeded batches until claim 1 was clear for each capability, which spends no "
    "more than alpha. It stops near alpha, so Holm's correction leaves few claims by themselves; and a "
    "change that is read where a test stopped lies further from the margin than the true one, on "
    "average, which its limits take into account."
)
_INFERIOR = (
    "A capability is called inferior at alpha by itself: of {num} unharmed ones, one in {one_in:g} "
    "would be."
)
_UNBOUNDED = (
    "nll_nats without a declared range has no bounds, so that no test can show it to be retained: a "
    "rare, large loss may be in no item here. That it is inferior is found by an approximate test."
)
_BFLOAT16 = (
    "Products ran in bfloat16, for both models in the same batches; guards.noise says how far the "
    "base's scores move in other batches."
)
_NUM_NAMED = 10
"""Copies that a caveat names."""
_IS_BASE = (
    "The tuned model is the base: every weight is equal, bit for bit. So every capability is retained "
    "without a test, also where the base is at chance, and the number of items does not matter."
)
_EQUAL = (
    "Items that the model cannot tell apart count once: of {capability} {num} were left out as copies "
    "({ids})."
)
_SHARED = (
    "{first} and {second} ask {num} of the same items by the same metric, so their claims are not "
    "independent evidence."
)
_LEFT_OUT = "Left out are items that chose this model ({names}), or share a group with one that did: {counts}."
_NONE_CHOSE = "None of these items chose this model ({names}), so none was left out."
_NO_TOKENIZER = "The tuned model came without a tokenizer, so it was asked with the base's."


def copies_caveats(equal_items: Sequence[EqualItems], *, place: str = "") -> Iterator[str]:
    """Name the copies that were left out."""
    left_out: dict[str, list[str]] = {}
    for equal in equal_items:
        for copy in equal.left_out:
            left_out.setdefault(equal.capability, []).append(f"{copy} = {equal.kept}")
    for capability, ids in left_out.items():
        shown = ", ".join(ids[:_NUM_NAMED])
        if len(ids) > _NUM_NAMED:
            shown += f" and {len(ids) - _NUM_NAMED} more{place}"
        yield _EQUAL.format(capability=capability, num=len(ids), ids=shown)


def _left_out(names: Sequence[str], num_left_out: Mapping[str, int]) -> Iterator[str]:
    if not names:
        return
    counts = ", ".join(f"{num} of {name}" for name, num in num_left_out.items())
    yield (_LEFT_OUT if counts else _NONE_CHOSE).format(names=", ".join(names), counts=counts)


def certify_caveats(
    claims: Sequence[CapabilityClaim],
    guards: CertificationGuards,
    numerics: Numerics,
    *,
    alpha: float,
    policy: CertificationPolicy | None = None,
    shared: Sequence[tuple[str, str, int]] = (),
    chosen_by: Sequence[str] = (),
    num_left_out: Mapping[str, int] = {},
) -> tuple[str, ...]:
    """Return the caveats of one certification, those that affect its verdict first.

    Args:
        guards: Checks of the comparison.
        numerics: In which both were scored.
        alpha: Level of each claim.
        policy: Policy that fixed the margins; None if the suites did.
        shared: Two capabilities, and how many items they have in common.
        chosen_by: Names of the runs whose choosing items were left out.
        num_left_out: So many items of each capability.

    Returns:
        Sentences.
    """

    def chosen() -> Iterator[str]:
        if guards.tuned_is_base:
            yield _IS_BASE
        if guards.tokenizer == "the base's":
            yield _NO_TOKENIZER
        for first, second, num in shared:
            yield _SHARED.format(first=first, second=second, num=num)
        yield from _left_out(chosen_by, num_left_out)
        yield from copies_caveats(guards.equal_items, place=", in guards.equal_items")
        yield _CLAIMS.format(num=len(claims))
        yield _SCOPE.format(alpha=alpha)
        if policy is None:
            yield _MARGIN
        else:
            yield _POLICY.format(name=policy.name, digest=policy.digest)
        if any(claim.sequential is not None for claim in claims):
            yield _SEQUENTIAL
        if any(claim.verdict == "inferior" for claim in claims) and len(claims) > 1:
            yield _INFERIOR.format(num=len(claims), one_in=round(1 / alpha, 1))
        if any(claim.method == "unbounded" for claim in claims):
            yield _UNBOUNDED
        if "bfloat16" in numerics.compute_dtype:
            yield _BFLOAT16

    return tuple(chosen())
