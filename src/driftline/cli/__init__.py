"""The command line: one file a command. Each parses, calls one analysis, prints or writes.

Exit codes: 0 pass or safe, 1 fail or unsafe, 2 usage or bad input, 3 at risk or inconclusive, 4 the work failed,
5 a certificate is refused.
"""

from ._app import app as app
from ._app import main as main
