"""Rows of tokens, given or made of texts, must be of the model's own vocabulary."""

import datasets
import pyarrow
import pyarrow.compute

from ....errors import DataError
from ...language_model import LanguageModel
from ._data_sources import quiet_datasets
from ._training_data import TrainingData

_IGNORED = -100
"""The label of a token that no loss is taken on."""


def check_token_ids(data: TrainingData, size: int) -> None:
    """Refuse token ids and labels that the model has no embedding for.

    A look-up out of range breaks off training on a CPU, and on a GPU the whole process.

    Args:
        data: Rows of any layout; only those of token ids are looked at.
        size: Rows of the model's embedding.

    Raises:
        DataError: There is such an id; the message has the first row of it.
    """
    if data.layout != "tokens":
        return
    rows = data.rows()
    columns = [name for name in ("input_ids", "labels") if name in rows.column_names]
    with quiet_datasets():
        for name in columns:
            number = 0
            for batch in rows.select_columns(name).with_format("arrow").iter(batch_size=1000):
                for chunk in batch.column(name).chunks:
                    wrong = _wrong_ids(chunk, size, may_be_ignored=name == "labels")
                    if wrong is not None:
                        row, value = wrong
                        raise DataError(
                            f"{data.name}: row {number + row + 1}: {name} has {value}, and the model's "
                            f"ids go from 0 to {size - 1}; tokenise the rows with the model's own "
                            "tokenizer"
                        )
                    number += len(chunk)


def check_prepared_rows(
    rows: datasets.Dataset | datasets.IterableDataset, opened: LanguageModel, name: str
) -> None:
    """Refuse texts with a token that has no row in the embedding, as that of images in Gemma 3 1B.

    Args:
        rows: As the trainer has them; a stream is not looked at.
        opened: The base, with its tokenizer.
        name: Name of the data in the message.

    Raises:
        DataError: There is such a text.
    """
    size = opened.model.get_input_embeddings().weight.shape[0]
    is_stream = isinstance(rows, datasets.IterableDataset)
    if len(opened.tokenizer) <= size or is_stream or "input_ids" not in rows.column_names:
        return
    for batch in rows.select_columns("input_ids").with_format("arrow").iter(batch_size=1000):
        largest = pyarrow.compute.max(pyarrow.compute.list_flatten(batch.column("input_ids")))
        if (largest.as_py() or 0) >= size:
            token = opened.tokenizer.convert_ids_to_tokens(largest.as_py())
            raise DataError(
                f"{name}: a row holds {token}, a token of the tokenizer that has no row in the embedding "
                f"({size} rows); write the rows without it, or resize the base's embedding"
            )


def _wrong_ids(chunk: pyarrow.Array, size: int, *, may_be_ignored: bool) -> tuple[int, int] | None:
    """Return the first row of a chunk with an id out of range, and that id."""
    values, parents = chunk.flatten(), pyarrow.compute.list_parent_indices(chunk)
    is_out = pyarrow.compute.or_(
        pyarrow.compute.less(values, 0), pyarrow.compute.greater_equal(values, size)
    )
    if may_be_ignored:
        is_kept = pyarrow.compute.not_equal(values, _IGNORED)
        is_out = pyarrow.compute.and_(is_out, is_kept)
    first = pyarrow.compute.index(pyarrow.compute.fill_null(is_out, True), True).as_py()
    return None if first < 0 else (parents[first].as_py(), values[first].as_py())
