"""Which caveats a repair carries."""

from types import SimpleNamespace

from driftline.analyses.repairing._caveats import repair_caveats


def _caveats(*, excess=0.0, target="target", gain_share=1.0, lost=("pairs",), kind="model",
             dtype="float32", lacking=None):  # fmt: skip
    tuned = SimpleNamespace(gain_share=gain_share, excess=9.0)
    best = SimpleNamespace(meets_all=excess == 0)
    search = SimpleNamespace(
        best=best,
        looks=[tuned, best],
        ruler=SimpleNamespace(target=target),
        lacking=lacking or {},
    )
    judged = SimpleNamespace(recovery=SimpleNamespace(lost=lost))
    output = None if kind is None else SimpleNamespace(kind=kind)
    numerics = SimpleNamespace(compute_dtype=dtype)
    return " | ".join(repair_caveats(search, judged, numerics, 0.05, output=output))


def test_what_chose_and_what_reports_is_always_said():
    for said in (_caveats(), _caveats(kind=None, target=None)):
        assert "the best of 2 looks" in said
        assert "one-sided at 0.95" in said


def test_what_bears_on_the_verdict_is_said_where_it_holds():
    plain = _caveats()
    for changes, words in (
        ({"kind": None}, "No model was written"),
        ({"excess": 0.5}, "No point of the search met the constraint"),
        ({"target": None}, "Without --data"),
        ({"gain_share": None}, "did not improve the target"),
        ({"lost": ()}, "cost no required capability"),
        (
            {"lacking": {"sums": "too few are right"}},
            "while they are required: sums: too few are right",
        ),
        ({"dtype": "bfloat16"}, "ran in bfloat16"),
    ):
        assert words not in plain
        assert words in _caveats(**changes)


def test_rounding_is_a_matter_of_whole_models():
    assert "rounded once" in _caveats()
    assert "rounded once" not in _caveats(kind="adapter")
