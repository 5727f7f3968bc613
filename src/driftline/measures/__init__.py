"""Pure functions, arrays to numbers: similarity, rank, subspaces, divergence.

What does not change when the space of states is rotated depends on the states only through their
inner products, so those measures take the Gram matrix (`gram_matrix`). It is small whatever the
width of the model, it is made once, and no state needs to be kept. A number that does not exist is
None; its docstring says when.
"""

from ._divergence import kl_divergence_nats as kl_divergence_nats
from ._divergence import reverse_kl_divergence_nats as reverse_kl_divergence_nats
from ._similarity import debiased_hsic as debiased_hsic
from ._similarity import debiased_linear_cka as debiased_linear_cka
from ._similarity import gram_matrix as gram_matrix
from ._spectrum import anisotropy as anisotropy
from ._spectrum import effective_rank as effective_rank
from ._spectrum import participation_ratio as participation_ratio
from ._subspaces import principal_angles as principal_angles
from ._subspaces import principal_directions as principal_directions
