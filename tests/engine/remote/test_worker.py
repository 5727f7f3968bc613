"""What runs in a worker, called here without Ray."""

import pickle
import socket
from dataclasses import replace

import pytest
import torch

from driftline.capabilities import Capability, Passage
from driftline.engine import LocalEngine, ResultStore
from driftline.engine.remote._worker import Job, Lacking, SentFile, Task, Worker, WorkerLocation
from driftline.errors import ModelError, RunError
from driftline.models import Placement, Point, ScoringOptions, Term, open_model, store_direction
from driftline.provenance import digest_file
from tests import tiny

TEXTS = Capability(
    "texts", "perplexity", "nll_nats", 0.1,
    tuple(Passage(id=str(i), text=f"It rained on day {i}.") for i in range(3)),
)  # fmt: skip


@pytest.fixture
def job(opened):
    return Job.like(opened, ScoringOptions(), num_gpus=0, num_threads=1)


@pytest.fixture
def worker(job, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(Worker, "place", lambda _self: WorkerLocation("node", "host", 1))
    made = Worker()
    made.open(job)
    yield made
    made.finish()


@pytest.fixture
def stored(tmp_path):
    change = {"model.layers.0.mlp.up_proj.weight": torch.full((64, 32), 0.1)}
    return store_direction(tmp_path / "here.safetensors", change, {"kind": "tenth"})


@pytest.fixture
def task(opened, stored, tmp_path):
    with ResultStore(tmp_path / "tokens.sqlite") as store:
        digest = LocalEngine(opened, store).scorer.tokens_digest(TEXTS)
    return Task(Point("tenth", (Term(stored, 1.0),)), (digest,))


@pytest.fixture
def expected(opened, task, tmp_path):
    with ResultStore(tmp_path / "local.sqlite") as store:
        table = LocalEngine(opened, store).evaluate((task.point,), (TEXTS,))
        return table.rows[task.point.digest(), TEXTS.digest]


def test_a_job_is_the_model_again(opened, job, model_folder, monkeypatch):
    assert pickle.loads(pickle.dumps(job)) == job
    assert (job.source, job.dtype, job.device_map) == (str(model_folder), torch.float32, None)
    assert Job.like(opened, ScoringOptions(), num_gpus=2, num_threads=1).device_map == "auto"
    trusting = replace(opened, trust_remote_code=True, source="owner/name@abc")
    job = Job.like(trusting, ScoringOptions(), num_gpus=1, num_threads=1)
    assert (job.trust_remote_code, job.source) == (True, "owner/name@abc")
    # A relative folder is another folder elsewhere.
    monkeypatch.chdir(model_folder.parent)
    near = replace(opened, source=model_folder.name)
    assert Job.like(near, ScoringOptions(), num_gpus=1, num_threads=1).source == str(model_folder)


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_a_quantised_model_has_the_same_weights_in_a_worker(tmp_path, dtype):
    pytest.importorskip("bitsandbytes")
    source = str(tiny.save(tmp_path, **tiny.WIDE))
    opened = open_model(source, load_in="4bit", dtype=dtype)
    job = Job.like(opened, ScoringOptions(), num_gpus=0, num_threads=1)
    assert open_model(job.source, load_in=job.load_in, dtype=job.dtype).digest == opened.digest


def test_a_spread_model_has_the_same_weights(opened, model_folder):
    # Without a GPU all of it lies on the CPU; the way there is the same.
    assert open_model(str(model_folder), placement=Placement("auto")).digest == opened.digest


def test_it_says_what_it_opened(worker, job, opened):
    facts = worker.open(job)
    assert facts.digest == opened.digest
    assert facts.numerics.num_threads == 1


def test_a_model_that_cannot_be_opened_is_named_with_the_node(job):
    with pytest.raises(ModelError, match=f"Ray worker on {socket.gethostname()}: /gone: no such"):
        Worker().open(replace(job, source="/gone"))


def test_a_point_gives_what_this_process_gives(worker, task, expected):
    assert worker.evaluate(task, (TEXTS,)) == (expected,)


def test_other_tokens_are_refused(worker, task):
    with pytest.raises(RunError, match=r"capability texts: the tokenizer on .* makes other tokens"):
        worker.evaluate(task._replace(token_digests=("sha256:0",)), (TEXTS,))


def test_a_file_that_is_shared_is_read_where_it_is(worker, task, stored, expected):
    file = SentFile(stored.path, digest_file(stored.path))
    assert worker.evaluate(task._replace(files=(file,)), (TEXTS,)) == (expected,)


@pytest.mark.parametrize("there", ["nothing", "another file"])
def test_a_file_that_is_lacking_is_asked_for_and_kept(worker, task, stored, expected, there):
    content = stored.path.read_bytes()
    file = SentFile(stored.path, digest_file(stored.path))
    needing = task._replace(files=(file,))
    stored.path.unlink()
    if there == "another file":
        stored.path.write_bytes(content[::-1])
    assert worker.evaluate(needing, (TEXTS,)) == Lacking((file,))
    half = len(content) // 2
    worker.receive(file, content[:half], is_first=True, is_last=False)
    assert worker.evaluate(needing, (TEXTS,)) == Lacking((file,))
    worker.receive(file, content[half:], is_first=False, is_last=True)
    assert worker.evaluate(needing, (TEXTS,)) == (expected,)
    # Another worker of the node finds it there.
    other = Worker()
    other._cache, other._scorer = worker._cache, worker._scorer
    assert other.evaluate(needing, (TEXTS,)) == (expected,)
    worker.forget()
    assert worker.evaluate(needing, (TEXTS,)) == Lacking((file,))


def test_a_file_that_arrives_damaged_is_refused(worker, stored):
    file = SentFile(stored.path, digest_file(stored.path))
    with pytest.raises(RunError, match=r"here.safetensors: arrived on .* with other content"):
        worker.receive(file, b"rubbish", is_first=True, is_last=True)
    assert list(worker._cache.iterdir()) == []


def test_a_worker_proves_its_weights(worker):
    weight = next(worker._scorer.opened.model.parameters())
    before = weight.detach().clone()
    with torch.no_grad():
        weight[0, 0] += 1
    with pytest.raises(ModelError, match="the weights in memory have changed"):
        worker.finish()
    with torch.no_grad():
        weight.copy_(before)
