"""The one error that this package raises on purpose."""


class SmallModelError(RuntimeError):
    """A model could not be fetched or converted; the message says what to do about it."""
