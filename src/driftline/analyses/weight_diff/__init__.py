"""What tuning changed in the weights: norms, spectra, merges, missing tensors."""

from ._diff import DiffRequest as DiffRequest
from ._diff import diff as diff
