"""Questions about a model after training, against its base."""

from ._certify import certify as certify
from ._diff import diff as diff
from ._repair import repair as repair
from ._verify import verify as verify
