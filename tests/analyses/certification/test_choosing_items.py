"""A run that chose another model is refused; the same weights in another dtype are not."""

import pytest

from driftline.analyses.certification._choosing_items import ChoosingItems, check_choices
from driftline.errors import InputError
from driftline.results import ModelProvenance

BASE = ModelProvenance(
    source="base", revision=None, digest="sha256:01", architecture="LlamaForCausalLM", num_parameters=1,
    dtype="float32",
)  # fmt: skip
UNTIED = BASE.model_copy(update={"digest": "sha256:02"})


def run(tuned="sha256:0a", **base):
    chosen = BASE.model_copy(update=base)
    return ChoosingItems("run-repair", "sha256:0f", frozenset(), frozenset(), chosen, tuned)


@pytest.mark.parametrize(
    "chosen",
    [
        run(), run(tuned=None), run(digest="sha256:02"),
        run(digest="sha256:03", dtype="bfloat16"), run(tuned="sha256:0b", dtype="bfloat16"),
    ],
)  # fmt: skip
def test_the_run_that_chose_these_weights_is_taken(chosen):
    check_choices([chosen], (BASE, UNTIED), "tuned", "sha256:0a")
    check_choices([run(tuned="sha256:0b")], (BASE, BASE), "tuned", None)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (run(digest="sha256:03"), "--chosen-by run-repair: is about another base than base"),
        (run(tuned="sha256:0b"), "--chosen-by run-repair: chose other weights than those of tuned"),
    ],
)
def test_another_model_is_refused(chosen, said):
    with pytest.raises(InputError, match=said):
        check_choices([run(), chosen], (BASE, UNTIED), "tuned", "sha256:0a")
