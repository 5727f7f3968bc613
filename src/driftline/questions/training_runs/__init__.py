"""The questions while a run is trained, and right after it."""

from ._scale import scale as scale
from ._train import train as train
