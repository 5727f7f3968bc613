"""The commands around certificates: keygen, sign and verify."""

from ._keygen import keygen as keygen
from ._sign import sign as sign
from ._verify import verify as verify
