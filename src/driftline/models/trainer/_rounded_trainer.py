"""TRL's trainer, quick in bfloat16 on a processor without instructions for it."""

from typing import Any

from trl import SFTTrainer

from ..language_model import rounded_products


class RoundedTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, whose products in bfloat16 are computed in float32 where that is faster."""

    def training_step(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in TRL
        """Make TRL's step, forward and backward."""
        with rounded_products():
            return super().training_step(*args, **kwargs)

    def prediction_step(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in TRL
        """Make TRL's pass over a batch of the evaluation."""
        with rounded_products():
            return super().prediction_step(*args, **kwargs)
