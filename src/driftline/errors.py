"""Every exception that Driftline raises on purpose.

The tree, with the exit code of the command line:

    DriftlineError
    ├── InputError               2   something that the user gave is wrong, and how to mend it
    │   ├── ModelError               a model folder, checkpoint, adapter or tokenizer
    │   ├── DataError                a training set
    │   ├── ConfigError              a training config, or an option
    │   ├── SuiteError               a capability suite or one of its items
    │   ├── CertificateError         a certificate, what is to be certified, or a key
    │   ├── OutputError              the output folder, or the disk that holds it
    │   └── MissingPackageError      an optional package that the command needs
    └── RunError                 4   the input was fine, and the work failed all the same

A message names the culprit (file, line, key or tensor) first and the mend last.
"""


class DriftlineError(Exception):
    """Anything that Driftline raises on purpose."""

    exit_code = 4


class InputError(DriftlineError):
    """Something that the user gave is wrong."""

    exit_code = 2


class ModelError(InputError):
    """A model folder, checkpoint, adapter or tokenizer cannot be used."""


class DataError(InputError):
    """A training set cannot be used."""


class ConfigError(InputError):
    """A training config or an option cannot be used."""


class SuiteError(InputError):
    """A capability suite or one of its items cannot be used."""


class CertificateError(InputError):
    """A certificate, a document that is to be certified, or a key cannot be used."""


class OutputError(InputError):
    """The output folder cannot be used, or its disk is full."""


class MissingPackageError(InputError):
    """An optional package that the command needs is not installed."""


class RunError(DriftlineError):
    """The input was fine, and the work failed all the same."""


def first_reason(error: BaseException) -> str:
    r"""Return the first line of a message that says something.

    >>> first_reason(ValueError("Validation error for field 'size':\n    expected int, got str"))
    "Validation error for field 'size': expected int, got str"

    Args:
        error: The exception.

    Returns:
        The first line, with the next where it ends in a colon; the type where there is no message.
    """
    lines = [line.strip() for line in str(error).strip().splitlines()] or [type(error).__name__]
    end = next((i for i, line in enumerate(lines, 1) if not line.endswith(":")), len(lines))
    return " ".join(lines[:end])
