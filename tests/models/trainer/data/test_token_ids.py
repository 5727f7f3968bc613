"""Token ids that the model lacks are refused with their row, before anything trains."""

import json

import pytest

from driftline.errors import DataError
from driftline.models import read_training_data
from driftline.models.trainer.data._token_ids import check_token_ids

GOOD = {"input_ids": [0, 1, 9], "labels": [-100, 1, 9]}


@pytest.fixture
def read(tmp_path):
    def reader(*rows):
        path = tmp_path / "tokens.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return read_training_data(path)

    return reader


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"input_ids": [1, 10], "labels": [1, 1]}, "row 3: input_ids has 10, and .* from 0 to 9"),
        ({"input_ids": [-1, 1], "labels": [1, 1]}, "row 3: input_ids has -1"),
        ({"input_ids": [-100, 1], "labels": [1, 1]}, "row 3: input_ids has -100"),
        ({"input_ids": [1, 1], "labels": [-100, 12]}, "row 3: labels has 12"),
        ({"input_ids": [1, 1], "labels": [-1, 2]}, "row 3: labels has -1"),
    ],
)
def test_an_id_out_of_range_is_named_with_its_row(read, row, told):
    with pytest.raises(DataError, match=told):
        check_token_ids(read(GOOD, GOOD, row), 10)


def test_ids_of_the_model_and_rows_of_text_are_taken(read):
    check_token_ids(read(GOOD, GOOD), 10)
    check_token_ids(read({"text": "ten"}), 1)
