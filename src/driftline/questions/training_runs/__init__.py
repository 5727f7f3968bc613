"""The question while a run is trained."""

from ._train import train as train
