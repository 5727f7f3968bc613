"""`verify`: a check that a certificate holds, for these files."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ...errors import CertificateError
from ...extras import require_extra
from .. import inputs
from ..answers import Answer
from ..inputs import SuiteInput

if TYPE_CHECKING:
    from driftline.certificates import AskedSuite
    from driftline.results import CertificationPolicy


def verify(
    certificate: object,
    *,
    key: object,
    model: object = None,
    base: object = None,
    suites: SuiteInput = (),
    manifest: object = None,
    policy: object = None,
) -> Answer:
    """Check a certificate offline.

    Args:
        certificate: `certificate.json`, as `sign` writes it.
        key: The public key that you trust, from another source.
        model: The tuned model's folder, or its one file.
        base: The base's folder, or its one file.
        suites: Suites that it must be about, as `certify` takes them.
        manifest: The file that was signed with `--manifest`.
        policy: A policy whose rules the claims must keep to.

    Returns:
        The answer; only `verdict == "pass"` with all checks passed is a pass.

    Raises:
        CertificateError: A file cannot be read.
        MissingPackageError: The extra `signing` is not installed.
    """
    require_extra("signing")
    # Loads cryptography and numpy, so not for --help.
    from driftline.capabilities import read_policy
    from driftline.certificates import Evidence, read_public_key, verify_certificate

    file, public = inputs.path_of(certificate, "the certificate"), inputs.path_of(key, "--key")
    if file is None or public is None:
        raise CertificateError("a certificate and a public key are needed; give both")
    rules = inputs.path_of(policy, "--policy")
    trusted = inputs.read_as(public, read_public_key)
    said = None if rules is None else read_policy(rules)
    places = (
        inputs.path_of(model, "--model"),
        inputs.path_of(base, "--base"),
        inputs.path_of(manifest, "--manifest"),
    )
    evidence = Evidence(*places, _asked(suites or (), said), said)
    content = inputs.read_as(file, bytes)
    return Answer(verify_certificate(content, trusted, now=datetime.now(UTC), evidence=evidence))


def _asked(
    suites: inputs.SuiteInput, policy: "CertificationPolicy | None"
) -> "tuple[AskedSuite, ...]":
    """Read the suites as the policy wants them, where there is one."""
    if not suites:
        return ()
    from driftline.capabilities import governed
    from driftline.certificates import AskedSuite, WatchedCapability

    result = []
    for name, suite in zip(
        inputs.suite_names(suites), inputs.read_suites(suites, inputs.SilentReporter()), strict=True
    ):
        requested = (governed(capability, policy) for capability in suite.capabilities)
        result.append(
            AskedSuite(
                name=name,
                digest=suite.provenance().digest,
                capabilities=tuple(
                    WatchedCapability(c.name, c.tolerance, c.required) for c in requested
                ),
            )
        )
    return tuple(result)
