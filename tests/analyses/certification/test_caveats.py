"""The caveats of a certification: those that hold, and no others."""

from driftline.analyses.certification._caveats import certify_caveats

from ...results.certification_sample import KEPT, OPEN, build_certification

SAMPLE = build_certification()


def caveats(*claims, compute="float32", **guards):
    return certify_caveats(
        claims,
        SAMPLE.guards.model_copy(update=guards),
        SAMPLE.provenance.numerics.model_copy(update={"compute_dtype": compute}),
        alpha=0.05,
    )


def test_scope_margin_and_the_two_claims_are_always_there():
    found = caveats(KEPT)
    assert len(found) == 3
    assert "over all 1 claims" in found[0]
    assert "at most 0.05" in found[1]


def test_each_other_caveat_comes_with_its_cause():
    lost = KEPT.model_copy(update={"verdict": "inferior"})
    for text, found in (
        ("tuned model is the base", caveats(KEPT, tuned_is_base=True)),
        ("without a tokenizer", caveats(KEPT, tokenizer="the base's")),
        ("has no bounds", caveats(KEPT, OPEN)),
        ("of 2 unharmed ones, one in 20", caveats(KEPT, lost)),
        ("ran in bfloat16", caveats(KEPT, compute="bfloat16 with float32 head")),
    ):
        assert len(found) == 4
        assert sum(text in caveat for caveat in found) == 1
