"""What scaling the update part by part gives back without training."""

from ._repair import RepairRequest as RepairRequest
from ._repair import repair as repair
