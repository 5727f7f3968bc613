"""Reading of certification documents for certificates: the one place that knows their keys.

Keys that are not named here are signed all the same, and mean nothing to verification.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from ..errors import CertificateError
from ..model_files import is_nested
from ._canonical import canonical_json

Outcome = Literal["pass", "fail", "inconclusive"]
"""The verdict of the document."""
ClaimVerdict = Literal["non_inferior", "inferior", "inconclusive"]
"""The verdict of a claim, about one capability or about the whole suite."""

_HEX = re.compile(r"[0-9a-f]{64}")


def _hex_digest(text: str) -> str:
    digest = text.removeprefix("sha256:")
    if not _HEX.fullmatch(digest):
        raise ValueError("is not a SHA-256 digest in hex")
    return digest


def _plain_name(name: str) -> str:
    if name in ("", ".", "..") or (("/" in name or "\\" in name) and not is_nested(name)):
        raise ValueError("is not the plain name of a file")
    return name


def _check_unique(names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"duplicate {name}")


Share = Annotated[float, Field(ge=0, le=1)]


class _CertificationModel(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class FileDigest(_CertificationModel):
    """A file that was certified."""

    name: Annotated[str, AfterValidator(_plain_name)]
    sha256: Annotated[str, AfterValidator(_hex_digest)] = Field(
        validation_alias=AliasChoices("sha256", "digest")
    )
    """In hex; `sha256:` before it may be there."""


def _distinct_files(files: tuple[FileDigest, ...]) -> tuple[FileDigest, ...]:
    _check_unique([file.name for file in files])
    return files


class Side(_CertificationModel):
    """The base or the tuned model."""

    files: Annotated[
        tuple[FileDigest, ...], Field(min_length=1), AfterValidator(_distinct_files)
    ] = Field(validation_alias=AliasChoices("files", "subjects"))
    kind: str | None = None
    """`log` where the file is a log of scores and no weights were scored."""

    @property
    def is_log(self) -> bool:
        """True if the files are logs of another tool, not those of a model."""
        return self.kind == "log"


class SuiteDigest(_CertificationModel):
    """A suite that was scored."""

    name: str
    digest: str
    num_records: int | None = None
    """Items of all its capabilities."""


class CertifiedPolicyRule(_CertificationModel):
    """Requirements of a policy for one capability."""

    name: str
    tier: Literal["critical", "advisory"]
    margin: Annotated[float, Field(gt=0)] | None
    """None: the suite's tolerance."""


class CertifiedPolicy(_CertificationModel):
    """The policy that the certification was made under."""

    name: str
    digest: Annotated[str, AfterValidator(_hex_digest)]
    alpha: float
    capabilities: tuple[CertifiedPolicyRule, ...]


class WeightsDigest(_CertificationModel):
    """The base as it was opened."""

    digest: str | None = None
    """Digest of its weights."""


class CertifiedChoice(_CertificationModel):
    """A run that chose the tuned model, whose choosing items are in no claim."""

    name: str
    digest: str


class CertifiedProvenance(_CertificationModel):
    """Compared models, suites and settings."""

    base: Side
    tuned: Side
    base_model: WeightsDigest | None = None
    tuned_digest: str | None = None
    """Digest of the tuned weights as they were scored."""
    suites: Annotated[tuple[SuiteDigest, ...], Field(min_length=1)]
    alpha: Annotated[float, Field(gt=0, le=0.5)]
    """Accepted chance that a loss of the margin passes."""
    policy: CertifiedPolicy | None = None
    chosen_by: tuple[CertifiedChoice, ...] = ()
    num_left_out: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Items of each capability that are in no claim, because they chose the tuned model."""


class ChangedItems(_CertificationModel):
    """The items that one of the two models gets right and the other wrong."""

    lost: tuple[JsonValue, ...]
    gained: tuple[JsonValue, ...]


class Claim(_CertificationModel):
    """Claim about one capability; None for a number that is undefined or missing."""

    capability: str
    metric: str | None = None
    method: str | None = None
    basis: Literal["test", "identical"] = "test"
    base: float | None = None
    tuned: float | None = None
    loss_limit: float | None = None
    num_groups: int | None = None
    flips: ChangedItems | None = None
    required: bool
    higher_is_better: bool
    margin: Annotated[float, Field(gt=0)]
    change: float
    """Tuned - base in the capability's unit, whichever way is better."""
    low: float | None
    high: float | None
    pvalue: Share | None
    adjusted_pvalue: Share | None
    verdict: ClaimVerdict
    adjusted_verdict: ClaimVerdict
    num_items: Annotated[int, Field(ge=0)]


class CertifiedSuiteClaim(_CertificationModel):
    """Claim about all required capabilities together."""

    verdict: ClaimVerdict
    pvalue: Share | None
    num_required: int | None = None


def _distinct_claims(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    _check_unique([claim.capability for claim in claims])
    return claims


class CertifiedDocument(_CertificationModel):
    """The document that `certify` writes, as far as a certificate needs it."""

    schema_: Literal["driftline/certification/1"] = Field(alias="schema")
    verdict: Outcome
    suite_claim: CertifiedSuiteClaim
    claims: Annotated[tuple[Claim, ...], Field(min_length=1), AfterValidator(_distinct_claims)]
    provenance: CertifiedProvenance


def read_certification(document: JsonValue) -> CertifiedDocument:
    """Read what a certificate needs of a certification document.

    Args:
        document: The JSON value of `certification.json`.

    Returns:
        The part of it that verification rests on.

    Raises:
        CertificateError: It is not such a document, or it has no verdict.
    """
    if isinstance(document, dict) and document.get("verdict") is None:
        raise CertificateError("holds no verdict, so there is nothing to certify")
    try:
        return CertifiedDocument.model_validate_json(canonical_json(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise CertificateError(
            f"is no certification that can be signed: {where}: {first['msg']}"
        ) from None
