"""Whatever the scores are, the claims that are made of them pass the checks of a certificate."""

from dataclasses import replace

import numpy
import pytest

from driftline.analyses.comparison._claims import adjusted_claims, capability_claim, suite_claim
from driftline.analyses.comparison._paired import Paired, Sample
from driftline.capabilities import Capability, Cloze, MinimalPair
from driftline.certificates import claim_faults, read_certification

FILES = [{"name": "model.safetensors", "digest": "1" * 64}]


def _capability(metric, num, *, is_grouped, declared, generator):
    group = (lambda i: f"g{i // 3}") if is_grouped else (lambda _i: None)
    tolerance = float(generator.uniform(0.02, 0.6))
    if metric == "nll_nats":
        items = tuple(
            Cloze(id=str(i), prompt="a", completion="b", group=group(i)) for i in range(num)
        )
        limits = (0.0, 12.0) if declared else None
        return Capability("c", "cloze", metric, tolerance, items, score_range=limits)
    items = tuple(MinimalPair(id=str(i), good="a", bad="b", group=group(i)) for i in range(num))
    return Capability(
        "c", "minimal_pair", metric, tolerance, items, max_group_size=4 if declared else None
    )


def _scores(num, shift, spread, generator):
    base = generator.normal(1.5, 1.5, num)
    tuned = base + shift + spread * generator.normal(size=num)
    return [
        [
            {"margin_nats": float(v), "accuracy": float(v > 0), "nll_nats": float(abs(v))}
            for v in side.clip(-5, 5)
        ]
        for side in (base, tuned)
    ]


def _faults(claims, alpha):
    together = suite_claim(claims)
    verdicts = {"non_inferior": "pass", "inferior": "fail", "inconclusive": "inconclusive"}
    return claim_faults(
        read_certification(
            {
                "schema": "driftline/certification/1",
                "verdict": verdicts[together.verdict],
                "suite_claim": together.model_dump(mode="json"),
                "claims": [claim.model_dump(mode="json") for claim in claims],
                "provenance": {
                    "base": {"files": FILES},
                    "tuned": {"files": FILES},
                    "suites": [{"name": "s", "digest": "d", "num_records": 10_000}],
                    "alpha": alpha,
                },
            }
        )
    )


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("metric", ["accuracy", "margin_nats", "nll_nats"])
def test_claims_of_any_scores_add_up(metric, alpha):
    generator = numpy.random.default_rng(round(100 * alpha) + len(metric))
    verdicts = set()
    for trial in range(16):
        num = int(generator.choice([4, 21, 60, 600]))
        capability = _capability(
            metric, num, is_grouped=trial % 2 == 1, declared=trial % 4 < 2, generator=generator
        )
        shift = float(generator.choice([-3.0, -0.3, 0.0, 0.3, 3.0]))
        base, tuned = _scores(num, shift, float(generator.choice([0.0, 0.1])), generator)
        pairs = [Paired(capability, base, tuned)]
        if capability.score_range or metric != "nll_nats":
            sample = Sample(num, num, 1, max(4, capability.max_group_size or 3))
            pairs.append(Paired(replace(capability, name="in sequence"), base, tuned, sample))
        claims = adjusted_claims(
            [capability_claim(pair, alpha=alpha, seed=0) for pair in pairs], alpha
        )
        assert _faults(claims, alpha) == ()
        verdicts |= {claim.verdict for claim in claims}
    assert len(verdicts) > 1, "the cases must differ"
