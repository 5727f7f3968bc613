"""What a plan does not say, said."""

from types import SimpleNamespace

from driftline.analyses.planning._caveats import plan_caveats


def _caveats(
    *,
    scale=1.0,
    trial="one",
    no_map=None,
    ablation=(),
    dtype="float32",
    blind=(),
    lacking=None,
    worst="facts",
):
    whole = SimpleNamespace(scale=1.0, parts=None, gain=2.5, worst=worst, worst_loss=1.5)
    if trial is not None:
        trial = SimpleNamespace(looks=(whole,))
    best = whole if scale == 1.0 else SimpleNamespace(scale=scale, parts=None)
    found = SimpleNamespace(trial=trial, ablation=ablation, best=best)
    bench = SimpleNamespace(looks=[None] * 21, blind=blind, lacking=lacking or {})
    numerics = SimpleNamespace(compute_dtype=dtype)
    return " ".join(
        plan_caveats(found, bench, numerics, num_held_out=40, alpha=0.05, no_map=no_map)
    )


def test_optimism_seeds_and_rows_are_always_said():
    text = _caveats()
    for part in ("best of 21 looks", "trained once", "40 rows", "one-sided at 0.95"):
        assert part in text
    assert "No modules were frozen" not in text
    assert "bfloat16" not in text


def test_what_was_left_out_is_named():
    row = SimpleNamespace(lever="steps", bought=None, gain_without=None)
    text = _caveats(trial=None, ablation=(row,), dtype="bfloat16", no_map="the map failed (here)")
    assert "No point of the search meets the constraint but the base" in text
    assert "what these levers gained: steps." in text
    assert "No modules were frozen or slowed: the map failed (here)." in text
    assert "bfloat16" in text


def test_what_nothing_can_cost_is_named():
    assert "ruined" not in _caveats()
    assert "may refuse to watch them: facts. Give more items" in _caveats(blind=("facts",))


def test_what_the_base_lacks_is_named_with_the_reason():
    assert "not shown to have" not in _caveats()
    said = _caveats(lacking={"sums": "the base answers 1 of 9 items right"})
    assert "held no protocol back" in said
    assert "sums: the base answers 1 of 9 items right" in said


def test_what_other_trainers_files_lead_to_is_said_where_the_update_is_scaled():
    assert "other trainers do not" not in _caveats()
    said = _caveats(scale=0.5)
    assert "gains 2.5 nats per token and its worst capability, facts, loses 1.5 tolerances" in said
    assert "gains 2.5 nats per token, by the items that choose" in _caveats(scale=0.5, worst=None)
