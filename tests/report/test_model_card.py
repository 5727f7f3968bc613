"""A certification for a model card: read back by the hub's own library, and harmless."""

import math
import re

import pytest
from huggingface_hub import ModelCard

from driftline.report import render_model_card
from driftline.results import CertificationPolicy, PolicyRule, RecoveryProbe
from tests.results.certification_sample import KEPT, OPEN, build_certification


@pytest.fixture
def found():
    return build_certification()


def test_the_evaluation_results_are_read_by_the_hub_library(found):
    card = ModelCard(render_model_card(found), ignore_metadata_errors=False)
    assert card.data.model_name == "tuned\N{REPLACEMENT CHARACTER}[2J"
    facts, other = card.data.eval_results
    assert (facts.dataset_name, facts.metric_type, facts.metric_value) == (
        "facts",
        "accuracy",
        0.895,
    )
    assert facts.metric_args["verdict"] == "non_inferior"
    assert facts.metric_args["low"] == KEPT.low
    assert "low" not in other.metric_args, "undefined is left out, not a number"
    assert other.metric_args["verdict"] == "inconclusive"
    numbers = [v for r in (facts, other) for v in r.metric_args.values() if isinstance(v, float)]
    assert all(math.isfinite(v) for v in numbers)
    assert facts.dataset_config != other.dataset_config


def test_the_section_says_the_verdict_the_claims_and_the_caveats(found):
    text = ModelCard(render_model_card(found)).text
    assert (
        "## Certification of a tuned model\n\n**INCONCLUSIVE**: neither retained nor lost\\: bad"
        in text
    )
    assert "| facts | accuracy, share of items | 1,200 | 0.900 | 0.895 | -0.00500 |" in text
    assert "| 0.0140 | 0.0200 | 0.0040 | retained |" in text
    assert "- The first caveat." in text
    watched = KEPT.model_copy(update={"required": False})
    assert "| facts (watched) |" in render_model_card(build_certification(watched))


def test_a_pass_says_so_and_policy_and_recovery_are_named(found):
    policy = CertificationPolicy(
        name="release.yaml",
        digest="sha256:12",
        alpha=0.05,
        capabilities=(PolicyRule(name="facts", tier="critical"),),
    )
    probe = RecoveryProbe(
        capability="facts", finding="access", reason=None, num_shots=4, num_items=90,
        unit="share of items", base_plain=0.9, tuned_plain=0.5, base=0.9, tuned=0.88, low=-0.05,
        high=0.01, margin=0.1,
    )  # fmt: skip
    provenance = found.provenance.model_copy(update={"policy": policy})
    suite = found.suite_claim.model_copy(
        update={"verdict": "non_inferior", "reason": None, "pvalue": 0.004}
    )
    update = {
        "verdict": "pass", "suite_claim": suite, "provenance": provenance, "recovery": (probe,)
    }  # fmt: skip
    text = render_model_card(found.model_copy(update=update))
    assert "**PASS**: all 2 required capabilities are retained." in text
    assert "Policy: release.yaml (`sha256:12`)." in text
    assert "- Recovery probe, facts\\: within the margin again" in text


def test_whatever_a_name_holds_is_text(found):
    nasty = "<script>alert(1)</script> | a\n# b [x](http://evil) `c` **d** ![e](f) www.evil.com"
    claim = KEPT.model_copy(update={"capability": nasty})
    card = ModelCard(render_model_card(build_certification(claim, OPEN)))
    assert "<script" not in card.text
    assert "](" not in card.text
    assert "www.evil" not in card.text
    (row,) = [line for line in card.text.splitlines() if line.startswith("| &lt;script")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 11
    assert card.data.eval_results[0].dataset_name.startswith("<script>")


def test_no_folder_of_this_machine_is_published(found):
    subject = found.provenance.tuned.model_copy(update={"source": "/home/someone/secret/mine"})
    provenance = found.provenance.model_copy(update={"tuned": subject})
    text = render_model_card(found.model_copy(update={"provenance": provenance}))
    assert "someone" not in text
    assert ModelCard(text).data.model_name == "mine"
