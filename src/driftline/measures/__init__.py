"""Pure functions, arrays to numbers: similarity, rank, subspaces, divergence.

What does not change when the space of states is rotated depends on the states only through their
inner products, so those measures take the Gram matrix (`gram_matrix`). It is small whatever the
width of the model, it is made once, and no state needs to be kept. A number that does not exist is
None; its docstring says when.
"""

from ._divergence import kl_divergence_nats as kl_divergence_nats
from ._divergence import reverse_kl_divergence_nats as reverse_kl_divergence_nats
from ._intruders import IntruderDimensions as IntruderDimensions
from ._intruders import intruder_dimensions as intruder_dimensions
from ._similarity import debiased_hsic as debiased_hsic
from ._similarity import debiased_linear_cka as debiased_linear_cka
from ._similarity import gram_matrix as gram_matrix
from ._singular_values import LargestSingularValues as LargestSingularValues
from ._singular_values import largest_singular_values as largest_singular_values
from ._singular_values import low_rank_singular_values as low_rank_singular_values
from ._singular_values import singular_values as singular_values
from ._spectrum import anisotropy as anisotropy
from ._spectrum import effective_rank as effective_rank
from ._spectrum import effective_rank_of as effective_rank_of
from ._spectrum import energy_rank as energy_rank
from ._spectrum import participation_ratio as participation_ratio
from ._spectrum import stable_rank as stable_rank
from ._subspaces import principal_angles as principal_angles
from ._subspaces import principal_directions as principal_directions
