"""A certificate stands for the weights that were scored, whatever lies in the folder.

Folders are made at random. What is scored must equal what transformers or PEFT loads from the folder,
or the folder is refused; the subjects are the files that were read; `verify` fails when one of them is
changed or gone, and does not fail for any other file.
"""

import json
import os
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
import transformers
from peft import PeftModel
from safetensors.torch import save_file

from driftline.analyses import CertifyRequest, certify
from driftline.capabilities import Capability, Suite
from driftline.certificates import Evidence, generate_key, sign_certification, verify_certificate
from driftline.engine import RunFolder
from driftline.errors import ModelError
from driftline.models import ScoringOptions, open_model
from tests import adapters, tiny
from tests.known_pairs import known_pairs

NUM_FOLDERS = 32
EXACT = ScoringOptions(bfloat16=False)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Two bases, with a head of its own and with a tied one, and pairs that each gets right."""
    found = {}
    for family in ("llama", "llama-tied"):
        folder = tiny.save(tmp_path_factory.mktemp(family) / "base", family)
        opened = open_model(str(folder))
        pairs = known_pairs(opened, 24)
        found[family] = opened, Capability("pairs", "minimal_pair", "margin_nats", 1.0, pairs)
    return found


class RandomFolder:
    """A tuned model in a folder that may hold more than the model, and may be ambiguous."""

    def __init__(self, folder: Path, family: str, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.family, self.is_refused = family, False
        self.is_adapter = self.random.random() < 0.25
        tuned = self._moved(seed)
        if self.is_adapter:
            adapters.adapt(tiny.model(family), seed=seed).save_pretrained(folder)
        else:
            tuned.to(self.random.choice([torch.float32, torch.bfloat16, torch.float16]))
            shards = self.random.choice([None, "40KB"])
            tuned.save_pretrained(folder, max_shard_size=shards or "1GB")
        if self.random.random() < 0.7:
            tiny.tokenizer().save_pretrained(folder)
        for change in self.random.sample(self._changes(), self.random.choice([0, 1, 1, 2])):
            change()

    def _moved(self, seed: int) -> transformers.PreTrainedModel:
        model, generator = tiny.model(self.family), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.05)
        return model

    def _changes(self):
        found = [self._trainer_state, self._sub_folder, self._link, self._stray]
        if not self.is_adapter:
            found += [self._untie, self._second_save]
        return found

    def _trainer_state(self) -> None:
        for name in ("README.md", "optimizer.pt", "training_args.bin", "trainer_state.json"):
            (self.folder / name).write_bytes(b"state")

    def _sub_folder(self) -> None:
        self._moved(99).save_pretrained(self.folder / "checkpoint-5")

    def _link(self) -> None:
        """A weight file that is a link to a blob elsewhere, as in the hub's cache."""
        file = next(self.folder.glob("*model*.safetensors"))
        blob = self.folder.parent / f"blob-{self.folder.name}"
        file.rename(blob)
        file.symlink_to(blob)

    def _stray(self) -> None:
        name = self.random.choice(["model2.safetensors", "model_ema.safetensors", "model.bin"])
        save_file({"a": torch.ones(2)}, self.folder / name)
        self.is_refused = True

    def _untie(self) -> None:
        """A config that unties the head, whose tensor the files of a tied model lack."""
        path = self.folder / "config.json"
        config = json.loads(path.read_text())
        if config["tie_word_embeddings"]:
            config["tie_word_embeddings"] = False
            path.write_text(json.dumps(config))
            self.is_refused = True

    def _second_save(self) -> None:
        """The single file of another save beside shards, or shards beside the single file."""
        other = self.folder.parent / f"other-{self.folder.name}"
        is_single = (self.folder / "model.safetensors").exists()
        self._moved(7).save_pretrained(other, max_shard_size="40KB" if is_single else "1GB")
        for file in other.glob("model*"):
            shutil.copy(file, self.folder)
        self.is_refused = True

    def truth(self) -> transformers.PreTrainedModel:
        """The model as transformers or PEFT loads it."""
        if self.is_adapter:
            adapted = PeftModel.from_pretrained(tiny.model(self.family), str(self.folder))
            return adapted.merge_and_unload().eval()
        return transformers.AutoModelForCausalLM.from_pretrained(
            self.folder, dtype=torch.float32
        ).eval()


def mean_margin(model, tokenizer, pairs) -> float:
    """The mean margin of the good text, computed without Driftline."""

    def log_likelihood(text: str) -> float:
        tokens = torch.tensor([[256, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
        with torch.no_grad():
            logits = model(tokens).logits[0, :-1].log_softmax(-1)
        return logits.gather(1, tokens[0, 1:, None]).sum().item()

    margins = [log_likelihood(p.good) - log_likelihood(p.bad) for p in pairs]
    return sum(max(-5.0, min(5.0, margin)) for margin in margins) / len(margins)


def read_files(folder: Path, since: float) -> set[str]:
    """Files whose time of access says that somebody read them."""
    return {
        path.name for path in folder.iterdir() if path.is_file() and path.stat().st_atime > since
    }


def tuned_check(content: bytes, key, folder: Path) -> str:
    found = verify_certificate(
        content, key.public_key(), now=datetime.now(UTC), evidence=Evidence(tuned=folder)
    )
    return next(check.status for check in found.checks if check.name == "tuned")


@pytest.fixture(scope="module")
def access_times(tmp_path_factory) -> bool:
    """Whether this file system records that a file was read."""
    path = tmp_path_factory.mktemp("access") / "file"
    path.write_text("x")
    os.utime(path, (1.0, 2.0))
    path.read_text()
    return path.stat().st_atime > 1.0


@pytest.mark.parametrize("seed", range(NUM_FOLDERS))
def test_what_is_certified_is_what_a_loader_loads(bases, tmp_path, access_times, seed):
    family = ("llama", "llama-tied")[seed % 2]
    opened, pairs = bases[family]
    made = RandomFolder(tmp_path / "tuned", family, seed)
    for path in made.folder.iterdir():
        os.utime(path, (1.0, 2.0))
    request = CertifyRequest(opened, str(made.folder), (Suite("known", (pairs,)),), options=EXACT)
    with RunFolder.open(tmp_path / "out", str(seed), outputs=(), force=False) as run:
        if made.is_refused:
            with pytest.raises(ModelError, match=str(made.folder)):
                certify(request, run)
            return
        found = certify(request, run)
    opened.check_unchanged()

    (claim,) = found.claims
    assert claim.tuned == pytest.approx(
        mean_margin(made.truth(), opened.tokenizer, pairs.items), abs=1e-4
    )
    assert claim.base != pytest.approx(claim.tuned, abs=1e-3)
    subjects = {file.name for file in found.provenance.tuned.files}
    if access_times:
        # The loader of the truth reads nothing more, so its reads do no harm here.
        assert read_files(made.folder, since=1.0) == subjects
    assert subjects <= {path.name for path in made.folder.iterdir()}
    check_verification(found.to_json(), made.folder, subjects)


def test_code_that_both_models_name_is_certified_though_it_does_not_run(tmp_path):
    """A family that transformers has by now, whose folders still name code of their own."""
    code = {"own.py": "raise SystemError('it ran')", "custom_generate/generate.py": "#"}
    for seed, name in enumerate(("base", "tuned")):
        folder = tiny.save(tmp_path / name, seed=seed)
        config = json.loads((folder / "config.json").read_text())
        config["auto_map"] = {"AutoModelForCausalLM": "own.Model"}
        (folder / "config.json").write_text(json.dumps(config))
        for file, content in code.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(content)
    opened = open_model(str(tmp_path / "base"))
    pairs = Capability("pairs", "minimal_pair", "margin_nats", 1.0, known_pairs(opened, 24))
    request = CertifyRequest(
        opened, str(tmp_path / "tuned"), (Suite("known", (pairs,)),), options=EXACT
    )
    with RunFolder.open(tmp_path / "out", "code", outputs=(), force=False) as run:
        found = certify(request, run)
    assert sum("Python code of the" in caveat for caveat in found.caveats) == 2
    subjects = {file.name for file in found.provenance.tuned.files}
    assert set(code) <= subjects
    check_verification(found.to_json(), tmp_path / "tuned", subjects)


def check_verification(document: str, folder: Path, subjects: set[str]) -> None:
    key = generate_key()
    content = sign_certification(json.loads(document), key, issued=datetime.now(UTC), valid_days=30)
    assert tuned_check(content, key, folder) == "passed"
    for path in [path for path in folder.iterdir() if path.is_file()]:
        wanted = "failed" if path.name in subjects else "passed"
        held = path.read_bytes()
        aside = path.rename(path.parent.parent / "aside")
        assert tuned_check(content, key, folder) == wanted, f"{path.name} deleted"
        path.write_bytes(bytes([held[0] ^ 1]) + held[1:])
        assert tuned_check(content, key, folder) == wanted, f"{path.name} replaced"
        path.unlink()
        aside.rename(path)
    assert tuned_check(content, key, folder) == "passed"


def test_the_random_folders_are_of_many_kinds(tmp_path):
    """Most folders are scored, and a good part is refused, so that the test above says something."""
    made = [
        RandomFolder(tmp_path / str(seed), ("llama", "llama-tied")[seed % 2], seed)
        for seed in range(NUM_FOLDERS)
    ]
    num_refused = sum(folder.is_refused for folder in made)
    assert NUM_FOLDERS / 5 < num_refused < NUM_FOLDERS * 0.8
    assert any(folder.is_adapter and not folder.is_refused for folder in made)
    assert any((folder.folder / "checkpoint-5").exists() for folder in made)
    indexed = [f for f in made if (f.folder / "model.safetensors.index.json").exists()]
    assert any(not folder.is_refused for folder in indexed)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_file_that_is_replaced_while_it_is_scored_is_an_error(bases, tmp_path, monkeypatch, name):
    opened, pairs = bases["llama"]
    folder = tmp_path / "tuned"
    tiny.model(seed=3).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    from driftline.analyses.certification import _certify as module

    scored = module._scored

    def replace(*arguments, **more):
        found = scored(*arguments, **more)
        shutil.copy(folder / name, tmp_path / "new")
        with (tmp_path / "new").open("ab") as file:
            file.write(b" ")
        (tmp_path / "new").replace(folder / name)
        return found

    monkeypatch.setattr(module, "_scored", replace)
    request = CertifyRequest(opened, str(folder), (Suite("known", (pairs,)),))
    with (
        RunFolder.open(tmp_path / "out", name, outputs=(), force=False) as run,
        pytest.raises(ModelError, match=rf"{name}: was changed or replaced while it was in use"),
    ):
        certify(request, run)
