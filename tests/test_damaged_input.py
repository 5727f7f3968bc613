"""Whatever is in a file: it is read, or refused as bad input; no reader fails in a way of its own."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from safetensors.torch import save

from driftline import read_scored_log, read_suite, read_training_config, read_training_data
from driftline.analyses import read_calibration
from driftline.capabilities import read_policy
from driftline.certificates import (
    Evidence,
    parse_json,
    private_key_pem,
    public_key_pem,
    read_private_key,
    read_public_key,
    sign_certification,
    verify_certificate,
)
from driftline.engine import ResultStore, RunFolder, list_runs
from driftline.engine.storage._store import StoredScores
from driftline.errors import InputError
from driftline.models.checkpoints._checkpoint import read_json
from driftline.models.checkpoints._stored import read_header
from driftline.monitor.actions._log import MonitorLog, unfinished_check
from driftline.provenance import digest_value
from driftline.results import Assessment, Certification
from driftline.training import read_assessment, read_log, read_protocol
from tests.capabilities.logs.test_inspect_log import REAL, header
from tests.capabilities.logs.test_inspect_log import sample as inspect_sample
from tests.capabilities.logs.test_lm_eval_log import sample as lm_eval_sample
from tests.certificates.conftest import document, folders, key  # noqa: F401 - fixtures
from tests.damage import damaged_bytes, damaged_json
from tests.report.sample import build
from tests.results.certification_sample import build_certification

SEED = 20_261
SHIPPED = Path(__file__).parents[1] / "src/driftline/analyses/forecasting/forecast_calibration.json"

ITEMS = [
    {"id": "a", "group": "g", "messages": [{"role": "user", "content": "Hi"}], "choices": ["x", "y"],
     "answer": 0},
    {"id": "b", "prompt": "Two", "choices": ["x", "y"], "answer": 1},
]  # fmt: skip
SUITE = {
    "schema": "driftline/suite/1",
    "capabilities": [
        {"name": "own", "scorer": "multiple_choice", "metric": "accuracy", "tolerance": 0.1,
         "items": ITEMS, "required": True, "description": "d", "normalization": "none"}
    ],
}  # fmt: skip
POLICY = {
    "schema": "driftline/policy/1",
    "alpha": 0.05,
    "capabilities": [{"name": "own", "margin": 0.02, "tier": "critical"}],
}
CONFIG = {
    "learning_rate": 1e-4, "max_steps": 5, "lora_r": 8, "lora_target_modules": ["q_proj"],
    "warmup_steps": 2, "packing": False, "lr_scheduler_kwargs": {"a": 1}, "use_peft": True,
}  # fmt: skip
PROTOCOL = {
    "schema": "driftline/protocol/1", "model": "m", "data": "d.jsonl", "config": CONFIG,
    "levers": {"kl_to_base": 0.1, "frozen_modules": ["model.layers.0"]}, "suites": ["core"],
    "monitor": {"every_steps": 4, "action": "warn"}, "assessment": "report.json",
}  # fmt: skip
ROWS = [
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]},
    {"messages": [{"role": "user", "content": "So"}, {"role": "assistant", "content": "No"}]},
]
ADAPTER = {"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "rank_pattern": {}}


def lines(records) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def refused_or_read(read, path: Path, content: bytes) -> bool:
    """Tell whether it was refused; anything but a value or an InputError fails the test."""
    path.write_bytes(content)
    try:
        read(path)
    except InputError:
        return True
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__}: {error}: {content[:300]!r}") from error
    return False


def check(read, path: Path, copies) -> None:
    found = [refused_or_read(read, path, content) for content in copies]
    # A damage that nothing notices, or a reader that refuses all, would test nothing.
    assert sum(found) > len(found) / 20


def both(content: bytes, count: int):
    yield from damaged_bytes(content, seed=SEED, count=count)
    yield from damaged_json(content, seed=SEED, count=count)


JSON_READERS = {
    "suite": ("s.yaml", json.dumps(SUITE).encode(), lambda path: read_suite(str(path))),
    "policy": ("p.yaml", json.dumps(POLICY).encode(), read_policy),
    "config": ("c.yaml", json.dumps(CONFIG).encode(), read_training_config),
    "protocol": ("protocol.yaml", json.dumps(PROTOCOL).encode(), read_protocol),
    "adapter": ("adapter_config.json", json.dumps(ADAPTER).encode(), read_json),
    "assessment": ("report.json", build().to_json().encode(), read_assessment),
    "calibration": ("c.json", SHIPPED.read_bytes(), read_calibration),
    "certification": (
        "certification.json",
        build_certification().to_json().encode(),
        lambda path: Certification.from_json(path.read_text("utf-8", "ignore"), origin=str(path)),
    ),
    "inspect log": (
        "log.json",
        json.dumps({**header(), "samples": [inspect_sample(1), inspect_sample(2)]}).encode(),
        read_scored_log,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", JSON_READERS)
def test_a_damaged_document_is_read_or_refused(tmp_path, name):
    file, content, read = JSON_READERS[name]
    assert not refused_or_read(read, tmp_path / file, content), "the whole one is read"
    count = 12 if len(content) > 100_000 else 60
    check(read, tmp_path / file, both(content, count))


@pytest.mark.parametrize("name", ["suite", "policy", "config", "protocol"])
def test_damaged_yaml_is_read_or_refused(tmp_path, name):
    file, content, read = JSON_READERS[name]
    text = yaml.safe_dump(json.loads(content), sort_keys=False).encode()
    check(read, tmp_path / file, damaged_bytes(text, seed=SEED, count=80))


LINE_READERS = {
    "rows": ("d.jsonl", ROWS, read_training_data),
    "lm-eval log": (
        "samples_t_2026-01-31T12-34-56.7.jsonl",
        [lm_eval_sample(0), lm_eval_sample(1, (-3.0, -2.5))],
        read_scored_log,
    ),
    "monitor log": (
        "monitor.jsonl",
        [
            {"event": "began", "step": 0},
            {"event": "check", "step": 5, "loss": 1.5},
            {"event": "resumed", "step": 3},
            {"event": "check", "step": 8},
        ],
        lambda path: (read_log(path), unfinished_check(path)),
    ),
}


@pytest.mark.parametrize("name", LINE_READERS)
def test_damaged_lines_are_read_or_refused(tmp_path, name):
    file, records, read = LINE_READERS[name]
    content = lines(records)
    assert not refused_or_read(read, tmp_path / file, content), "the whole ones are read"
    check(read, tmp_path / file, damaged_bytes(content, seed=SEED, count=100))
    first = json.dumps(records[0]).encode()
    rest = lines(records[1:])
    each = damaged_json(first, seed=SEED, count=150)
    found = [refused_or_read(read, tmp_path / file, text + b"\n" + rest) for text in each]
    assert any(found)


def test_damaged_items_are_read_or_refused(tmp_path):
    entry = {**SUITE["capabilities"][0], "items": "items.jsonl"}
    (tmp_path / "s.yaml").write_text(json.dumps({**SUITE, "capabilities": [entry]}))

    def read(_path):
        return read_suite(str(tmp_path / "s.yaml"))

    assert not refused_or_read(read, tmp_path / "items.jsonl", lines(ITEMS))
    check(read, tmp_path / "items.jsonl", damaged_bytes(lines(ITEMS), seed=SEED, count=80))
    for text in damaged_json(json.dumps(ITEMS[0]).encode(), seed=SEED, count=100):
        refused_or_read(read, tmp_path / "items.jsonl", text + b"\n" + lines(ITEMS[1:]))


def test_a_damaged_archive_is_read_or_refused(tmp_path):
    copies = damaged_bytes(REAL.read_bytes(), seed=SEED, count=150)
    check(read_scored_log, tmp_path / "log.eval", copies)


def test_a_damaged_header_of_weights_is_read_or_refused(tmp_path):
    import torch

    content = save({"a.weight": torch.ones(2, 3), "b": torch.zeros(4)}, {"format": "pt"})
    length = int.from_bytes(content[:8], "little")
    check(read_header, tmp_path / "w.safetensors", damaged_bytes(content, seed=SEED, count=150))
    for text in damaged_json(content[8 : 8 + length], seed=SEED, count=100):
        whole = len(text).to_bytes(8, "little") + text + content[8 + length :]
        refused_or_read(read_header, tmp_path / "w.safetensors", whole)


def test_a_duplicate_name_in_a_header_is_refused(tmp_path):
    one = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    text = (one + "," + one[1:] + "}").encode()
    (tmp_path / "w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(InputError, match=r"w\.safetensors: .*duplicate"):
        read_header(tmp_path / "w.safetensors")


def test_a_damaged_certification_is_signed_or_refused(tmp_path, key, document):  # noqa: F811
    now = datetime(2026, 6, 1, tzinfo=UTC)

    def sign(path):
        return sign_certification(parse_json(path.read_bytes()), key, issued=now, valid_days=9)

    content = json.dumps(document).encode()
    assert not refused_or_read(sign, tmp_path / "c.json", content)
    check(sign, tmp_path / "c.json", both(content, 100))


def test_a_damaged_certificate_is_no_pass(tmp_path, key, document):  # noqa: F811
    now = datetime(2026, 6, 1, tzinfo=UTC)
    content = sign_certification(document, key, issued=now, valid_days=9)

    def verdict(copy):
        return verify_certificate(copy, key.public_key(), now=now, evidence=Evidence()).verdict

    assert verdict(content) == "pass"
    copies = [copy for copy in both(content.rstrip(), 100) if copy != content]
    assert {verdict(copy) for copy in copies} == {"refused"}


def test_damaged_keys_are_refused(tmp_path, key):  # noqa: F811
    for name, pem, read in (
        ("private.pem", private_key_pem(key), lambda path: read_private_key(path.read_bytes())),
        (
            "closed.pem",
            private_key_pem(key, passphrase=b"p"),
            lambda path: read_private_key(path.read_bytes(), passphrase=b"p"),
        ),
        (
            "public.pem",
            public_key_pem(key.public_key()),
            lambda path: read_public_key(path.read_bytes()),
        ),
    ):
        # An encrypted key costs a tenth of a second each time its passphrase is tried.
        count = 15 if name == "closed.pem" else 150
        check(read, tmp_path / name, damaged_bytes(pem, seed=SEED, count=count))


def test_a_damaged_marker_is_no_way_in(tmp_path):
    with RunFolder.open(tmp_path / "r", {"a": 1}, outputs=("x.json",), force=False) as folder:
        content = folder.marker_file.read_bytes()
        work = folder.path / "work.bin"
        work.write_bytes(b"hours of it")

    def begin(_path):
        list_runs(tmp_path)
        with RunFolder.open(tmp_path / "r", {"a": 1}, outputs=("x.json",), force=False):
            pass

    check(begin, folder.marker_file, both(content, 60))
    assert work.read_bytes() == b"hours of it"


def test_a_damaged_marker_of_a_folder_without_work_gives_way(tmp_path):
    with RunFolder.open(tmp_path / "r", {"a": 1}, outputs=("x.json",), force=False) as folder:
        pass
    folder.marker_file.write_bytes(b"{")
    with RunFolder.open(tmp_path / "r", {"b": 2}, outputs=("x.json",), force=False) as again:
        assert again.marker().request == digest_value({"b": 2})


def test_a_damaged_store_gives_its_scores_or_is_refused(tmp_path):
    path = tmp_path / "results.sqlite"
    scores = {str(n): StoredScores({"accuracy": (1.0, 0.5 + n, 0.25)}, 7 + n) for n in range(9)}
    with ResultStore(path) as store:
        for name, each in scores.items():
            store.put(name, each, point="base", capability="own")

    def read(_path):
        for mode in ({"read_only": True}, {}):
            with ResultStore(path, **mode) as store:
                for name, each in scores.items():
                    found = store.get(name, num_items=3, metric="accuracy")
                    assert found in (None, each), "never another number"
                store.rows()
        for left in ("-wal", "-shm"):
            path.with_name(path.name + left).unlink(missing_ok=True)

    content = path.read_bytes()
    check(read, path, damaged_bytes(content, seed=SEED, count=150))
    digits = [at for at in range(len(content)) if content[at : at + 1].isdigit()]
    for at in digits[:: max(1, len(digits) // 100)]:
        other = b"1" if content[at : at + 1] != b"1" else b"2"
        refused_or_read(read, path, content[:at] + other + content[at + 1 :])


def test_the_log_that_is_damaged_here_is_one_that_the_monitor_writes(tmp_path):
    log = MonitorLog(tmp_path / "monitor.jsonl")
    log.write("check", step=5, loss=1.5)
    assert [record["step"] for record in read_log(log.path)] == [5]


def test_a_document_with_what_json_has_not_is_refused(tmp_path):
    text = build().to_json()
    for old, new in (('"seed": ', '"seed": 1, "seed": '), ('"seed": ', '"seed": NaN, "x": ')):
        assert old in text
        with pytest.raises(InputError, match="not JSON"):
            Assessment.from_json(text.replace(old, new, 1))
