"""The CI jobs of examples/, run line by line as a runner would: the gate holds, and a comment is written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from tests import tiny
from tests.known_pairs import known_pairs

EXAMPLES = Path(__file__).parents[1] / "examples"
SOURCE = Path(__file__).parents[1] / "src"
CAPABILITY = {"name": "pairs", "scorer": "minimal_pair", "metric": "accuracy", "tolerance": 0.1}
_MAIN = "from driftline.cli import main; main()"
CODES = {"kept": 0, "damaged": 1, "few items": 3, "no model": 2}


@pytest.fixture(scope="module")
def repository(model_folder, opened, tmp_path_factory):
    """Make a repository with a tuned model, a suite and a policy, and a machine with pip and curl."""

    def make(case):
        root = tmp_path_factory.mktemp("repository")
        model = tiny.model()
        torch.manual_seed(1)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight), alpha=3.0 if case == "damaged" else 1e-6)
        if case != "no model":
            shutil.copytree(model_folder, root / "model")
            model.save_pretrained(root / "model")
        num = 8 if case == "few items" else 60
        items = [item.model_dump(exclude_none=True) for item in known_pairs(opened, num)]
        suite = {"schema": "driftline/suite/1", "capabilities": [{**CAPABILITY, "items": items}]}
        (root / "suite.yaml").write_text(yaml.safe_dump(suite))
        rule = {"name": "pairs", "tier": "critical", "margin": 0.1}
        policy = {"schema": "driftline/policy/1", "alpha": 0.05, "capabilities": [rule]}
        (root / "policy.yaml").write_text(yaml.safe_dump(policy))
        programs = root / "bin"
        programs.mkdir()
        for name, line in {
            "driftline": f"PYTHONPATH={SOURCE} exec {sys.executable} -c '{_MAIN}' \"$@\"",
            "pip": f'printf "%s\\n" "$*" >> {root}/pip.log',
            "curl": f'printf "%s\\n" "$@" > {root}/curl.log',
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{line}\n")
            (programs / name).chmod(0o755)
        return root

    return make


def shell(root, line, **variables):
    environment = {
        **os.environ,
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
        **variables,
    }
    # A runner of GitHub calls its shell so; GitLab stops at the first line that fails as well.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def run_github(root, base):
    job = yaml.safe_load((EXAMPLES / "github-gate.yml").read_text("utf-8"))["jobs"]["gate"]
    code = 0
    for step in job["steps"]:
        if "run" not in step or (code and step.get("if") != "always()"):
            continue
        variables = {"GITHUB_STEP_SUMMARY": str(root / "summary.md")}
        if "BASE" in step.get("env", {}):
            assert step["env"] == {"BASE": "${{ vars.DRIFTLINE_BASE }}"}
            variables["BASE"] = base
        done = shell(root, step["run"], **variables)
        code = code or done.returncode
    return code


def run_gitlab(root, base, token="secret"):
    job = yaml.safe_load((EXAMPLES / "gitlab-gate.yml").read_text("utf-8"))["driftline"]
    variables = {
        "DRIFTLINE_BASE": base, "DRIFTLINE_TOKEN": token, "CI_API_V4_URL": "https://git.example/api/v4",
        "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "3",
    }  # fmt: skip
    code = 0
    for line in job["script"]:
        code = shell(root, line, **variables).returncode
        if code:
            break
    for line in job["after_script"]:
        done = shell(root, line, **variables)
        assert done.returncode == 0, done.stderr
    return code


@pytest.mark.slow
@pytest.mark.parametrize("run", [run_github, run_gitlab])
@pytest.mark.parametrize("case", CODES)
def test_the_job_fails_unless_the_model_keeps_what_it_must(repository, model_folder, run, case):
    root = repository(case)
    code = run(root, str(model_folder))
    assert code == CODES[case]
    comment = (root / "comment.md").read_text("utf-8")
    if case == "no model":
        assert "Driftline could not certify this model" in comment
    else:
        assert "pairs" in comment
        assert not any(line == "---" for line in comment.splitlines()), (
            "the card's head is left out"
        )
        for name in ("report.html", "certification.json", "junit.xml"):
            assert (root / "run" / name).is_file()
    installed = (root / "pip.log").read_text().splitlines()
    assert installed == ["install wheels/driftline-*.whl", "install driftline[charts]"]


@pytest.mark.parametrize("name", ["github-gate.yml", "gitlab-gate.yml"])
def test_the_guide_names_the_files_that_the_job_reads(name):
    text = (EXAMPLES / name).read_text("utf-8")
    guide = (EXAMPLES.parent / "docs" / "guides" / "gate-in-ci.md").read_text("utf-8")
    for word in ("model", "suite.yaml", "policy.yaml", "wheels/driftline-*.whl", "DRIFTLINE_BASE"):
        assert word in text
        assert word in guide


@pytest.mark.slow
def test_gitlab_leaves_no_comment_without_a_token(repository, model_folder):
    root = repository("no model")
    assert run_gitlab(root, str(model_folder), token="") == 2
    assert not (root / "curl.log").exists()


@pytest.mark.slow
def test_gitlab_sends_the_comment_to_the_merge_request(repository, model_folder):
    root = repository("no model")
    run_gitlab(root, str(model_folder))
    words = (root / "curl.log").read_text().split("\n")
    assert "PRIVATE-TOKEN: secret" in words
    assert "body@comment.md" in words
    assert "https://git.example/api/v4/projects/7/merge_requests/3/notes" in words


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the step's script")
@pytest.mark.parametrize("before", [[], ["other"], ["other", "<!-- driftline --> old"]])
def test_github_leaves_one_comment_or_replaces_it(tmp_path, before):
    job = yaml.safe_load((EXAMPLES / "github-gate.yml").read_text("utf-8"))["jobs"]["gate"]
    script = next(s["with"]["script"] for s in job["steps"] if "script" in s.get("with", {}))
    (tmp_path / "comment.md").write_text("<!-- driftline -->\nnew " + "x" * 70_000)
    comments = [{"id": at, "body": body} for at, body in enumerate(before)]
    program = f"""
      const calls = [];
      const write = (name) => async (given) => calls.push([name, given]);
      const issues = {{ updateComment: write("update"), createComment: write("create"), listComments: 1 }};
      const github = {{ paginate: async () => {json.dumps(comments)}, rest: {{ issues }} }};
      const context = {{ repo: {{ owner: "o", repo: "r" }}, issue: {{ number: 5 }} }};
      (async () => {{ {script} }})().then(() => console.log(JSON.stringify(calls)));
    """
    done = subprocess.run(
        ["node", "-e", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    ((name, given),) = json.loads(done.stdout)
    assert name == ("update" if len(before) == 2 else "create")
    assert given.get("comment_id") == (1 if len(before) == 2 else None)
    assert given["body"].startswith("<!-- driftline -->\nnew")
    assert len(given["body"]) <= 65_000
