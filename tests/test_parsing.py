"""YAML as people write it: what would be overwritten in silence is refused by name and line."""

import pytest

from driftline.errors import ConfigError, SuiteError
from driftline.parsing import parse_yaml, read_bytes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "alpha: 0.05\nname: a\nalpha: 0.5\n",
            r"line 3: duplicate key alpha \(first defined on line 1\)",
        ),
        (
            "list:\n  - name: a\n    margin: 1\n    margin: 2\n",
            "line 4: duplicate key margin .* line 3",
        ),
        ("a: {b: 1, 'b': 2}\n", "line 1: duplicate key b"),
        ("1: x\n1: y\n", "line 2: duplicate key 1"),
    ],
)
def test_a_repeated_key_is_refused_with_its_lines(text, message):
    with pytest.raises(SuiteError, match=f"^suite.yaml: {message}"):
        parse_yaml(text.encode(), "suite.yaml", SuiteError)


def test_the_same_key_in_different_mappings_is_fine():
    text = b"- {name: a, 1: x, '1': y}\n- {name: b}\n"
    assert parse_yaml(text, "x", ConfigError) == [{"name": "a", 1: "x", "1": "y"}, {"name": "b"}]


def test_a_key_that_stands_above_a_merged_one_wins():
    text = b"base: &base {rate: 1, steps: 2}\nchild: &child\n  <<: *base\n  rate: 3\nlast: {<<: *child, steps: 9}\n"
    found = parse_yaml(text, "x", ConfigError)
    assert found["child"] == {"rate": 3, "steps": 2}
    assert found["last"] == {"rate": 3, "steps": 9}


@pytest.mark.parametrize(
    "content",
    [
        b"a: [1",
        b"\xff\xfe\xfa",
        b"a: \x00",
        b"a: 2024-13-45",
        b"[" * 5000,
        b"!!python/object:os.system x",
    ],
)
def test_what_is_no_plain_yaml_is_refused(content):
    with pytest.raises(ConfigError, match=r"^x\.yaml: not YAML \("):
        parse_yaml(content, "x.yaml", ConfigError)


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        (b"a: 1\n\tb: 2\n", "indent with spaces, not tabs"),
        (b'{"a": 1}\n{"a": 2}\n', "JSON Lines hold rows, and this file must be one mapping"),
    ],
)
def test_a_common_slip_in_yaml_is_told_with_its_mend(content, mend):
    with pytest.raises(ConfigError, match=mend) as caught:
        parse_yaml(content, "c.yaml", ConfigError)
    assert "<unicode string>" not in str(caught.value)


def test_a_folder_where_a_file_is_expected_is_called_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        read_bytes(tmp_path, ConfigError)
