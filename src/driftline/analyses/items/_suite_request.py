"""The part that requests share: suites, and the capabilities in them."""

from ...capabilities import Capability, Suite


class SuiteRequest:
    """A base of requests that name suites."""

    suites: tuple[Suite, ...]

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All capabilities of all suites."""
        return tuple(c for suite in self.suites for c in suite.capabilities)
