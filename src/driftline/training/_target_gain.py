"""The run's gain on rows that were held out: base and tuned weights on the same rows, after training."""

from collections.abc import Sequence

from pydantic import JsonValue

from ..analyses import Paired, rows_by_prompt, target_capability, target_gain
from ..errors import DataError
from ..models import LanguageModel, LeverTrainer, TrainingConfig, TrainingData
from ..monitor import score_items
from ..provenance import digest_value
from ..results import TargetGain

_FEWEST, _MOST = 32, 256
_SHARE = 0.01
"""Share of the run's passes; a row is scored twice, and a trained one passes three times."""

NOT_HELD_OUT = (
    "No rows were held out, so the gain on the new task was not measured; --eval-data names some, and "
    "training stays as it is."
)


def held_out_rows(evaluation: TrainingData | None, trained: TrainingData) -> TrainingData | None:
    """Leave out the rows that are trained on as well.

    Args:
        evaluation: Rows that the user set apart.

    Returns:
        The others; None where there are fewer than two.
    """
    if evaluation is None:
        return None
    seen = _digests(trained.examples)
    unseen = [n for n, key in enumerate(_digests(evaluation.examples)) if key not in set(seen)]
    return evaluation.select(unseen, name=evaluation.name) if len(unseen) >= 2 else None


def gain_of_run(
    opened: LanguageModel,
    trainer: LeverTrainer,
    held_out: TrainingData,
    config: TrainingConfig,
    *,
    seed: int,
) -> TargetGain | None:
    """Score the held-out rows at the base and at the trained weights.

    Cost: two forward passes over 32 to 256 rows, about a hundredth of the run's training or less.

    Args:
        trainer: After training.
        held_out: Rows that were not trained on.
        seed: Of the sample of rows.

    Returns:
        The gain; None where fewer than two rows have an answer.
    """
    args = trainer.args
    num_trained = (
        trainer.state.global_step * args.train_batch_size * args.gradient_accumulation_steps
    )
    try:
        target = target_capability(
            held_out,
            seed=seed,
            opened=opened,
            num_items=min(_MOST, max(_FEWEST, int(1.5 * _SHARE * num_trained))),
            chat_template=config.chat_template(),
        )
    except DataError:
        return None
    target = rows_by_prompt(target)
    base, tuned = (
        score_items(model, opened.tokenizer, target, bfloat16=args.bf16)
        for model in (opened.model, trainer.model)
    )
    return target_gain(Paired(target, base, tuned))


def _digests(examples: Sequence[dict[str, JsonValue]]) -> list[str]:
    return [digest_value(dict(example)) for example in examples]
