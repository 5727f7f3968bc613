"""Training data: found, read and checked row by row."""

from ._data_sources import quiet_datasets as quiet_datasets
from ._layouts import is_from_value as is_from_value
from ._prepared_rows import PreparedRows as PreparedRows
from ._refused_rows import check_chats as check_chats
from ._refused_rows import is_of_a_row as is_of_a_row
from ._refused_rows import refuse_row as refuse_row
from ._token_ids import check_prepared_rows as check_prepared_rows
from ._token_ids import check_token_ids as check_token_ids
from ._training_data import Example as Example
from ._training_data import TrainingData as TrainingData
from ._training_data import json_lines as json_lines
from ._training_data import read_columns as read_columns
from ._training_data import read_named_data as read_named_data
from ._training_data import read_training_data as read_training_data
from ._training_data import write_training_data as write_training_data
