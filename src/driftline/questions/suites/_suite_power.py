"""`suite`: the change that a suite's items can show, before any model is run."""

from .. import inputs
from ..answers import Answer


def suite_power(suite: inputs.SuiteInput) -> Answer:
    """Say what change each capability's items can show, and how many items a verdict needs.

    Args:
        suite: A name, a YAML file, or a `Suite`.

    Returns:
        The answer; no model is opened.
    """
    (read,) = inputs.read_suites([suite], inputs.SilentReporter())
    # Heavy, and not needed for --help.
    from driftline.analyses import suite_power as power_of

    return Answer(power_of(read))
