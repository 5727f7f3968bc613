"""Restore capabilities by scaling the update part by part, without training."""

from ._repair import RepairRequest as RepairRequest
from ._repair import repair as repair
