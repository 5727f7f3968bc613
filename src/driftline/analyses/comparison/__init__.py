"""Claims about one capability from the paired items of two models."""

from ._claim_obstacles import base_obstacle as base_obstacle
from ._claim_obstacles import fall_to_chance as fall_to_chance
from ._claim_obstacles import no_pass as no_pass
from ._claim_obstacles import nothing_to_lose as nothing_to_lose
from ._claim_obstacles import out_of_range as out_of_range
from ._claims import adjusted_claims as adjusted_claims
from ._claims import capability_claim as capability_claim
from ._claims import check_claims as check_claims
from ._claims import identical_claim as identical_claim
from ._claims import sequential_test as sequential_test
from ._claims import suite_claim as suite_claim
from ._flip_list import with_answers as with_answers
from ._paired import Paired as Paired
from ._paired import Sample as Sample
