"""TRL's trainer, quick in bfloat16 on a processor without instructions for it."""

import contextlib
from typing import Any

from trl import SFTTrainer

from ..language_model import rounded_products


class RoundedTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, whose products in bfloat16 are computed in float32 where that is faster."""

    def training_step(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in TRL
        """Make TRL's step, forward and backward."""
        with self._rounded():
            return super().training_step(*args, **kwargs)

    def prediction_step(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in TRL
        """Make TRL's pass over a batch of the evaluation."""
        with self._rounded():
            return super().prediction_step(*args, **kwargs)

    def _rounded(self) -> contextlib.AbstractContextManager[None]:
        """Take products over, but not of a compiled model, which a dispatch mode would undo."""
        if self.args.torch_compile:
            return contextlib.nullcontext()
        return rounded_products(self.model, bfloat16=self.args.bf16)
