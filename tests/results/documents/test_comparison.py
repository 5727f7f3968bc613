"""The documents of comparisons are read back as they were written."""

import pytest

from driftline.errors import InputError
from driftline.results import Comparison, ConfigComparison

from ..comparison_sample import build_comparison, build_config_comparison


@pytest.mark.parametrize(
    ("kind", "found", "schema"),
    [
        (Comparison, build_comparison(), "driftline/comparison/1"),
        (ConfigComparison, build_config_comparison(), "driftline/config-comparison/1"),
    ],
)
def test_it_is_read_back_and_named_by_its_schema(kind, found, schema):
    text = found.to_json()
    assert kind.from_json(text) == found
    assert f'"schema": "{schema}"' in text
    with pytest.raises(InputError, match="schema"):
        kind.from_json(text.replace(schema, "driftline/other/1"))
