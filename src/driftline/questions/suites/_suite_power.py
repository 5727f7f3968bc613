"""`suite`: the change that a suite's items can show, before any model is run."""

from ..answers import Answer
from ..inputs import SilentReporter, SuiteInput, read_suites


def suite_power(suite: SuiteInput) -> Answer:
    """Say what change each capability's items can show, and how many items a verdict needs.

    Args:
        suite: A name, a YAML file, or a `Suite`.

    Returns:
        The answer; no model is opened.
    """
    (read,) = read_suites([suite], SilentReporter())
    # Heavy, and not needed for --help.
    from driftline.analyses import suite_power as power_of

    return Answer(power_of(read))
