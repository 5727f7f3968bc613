"""Compare the weights of a base and a tuned model: norms, spectra, merges, missing tensors."""

from ._diff import DiffRequest as DiffRequest
from ._diff import diff as diff
