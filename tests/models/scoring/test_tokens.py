"""Where scoring starts, which token leads, and what cannot be encoded."""

import dataclasses
from types import SimpleNamespace

import pytest
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import Gemma3Config, PreTrainedConfig, PreTrainedTokenizerFast

from driftline.errors import ModelError
from driftline.models import (
    Scorer,
    ScoringOptions,
    encode_completions,
    encode_passage,
    encode_prompt,
)
from tests import tiny

BOS, EOS = 256, 257


def with_tokenizer(opened, tokenizer):
    return dataclasses.replace(opened, tokenizer=tokenizer)


def merging_tokenizer(*merged: str, bos: str | None = "<bos>", eos: str | None = "<eos>"):
    """The byte tokenizer with some pairs merged, and no leading token of its own."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(letters)}
    vocabulary.update({pair: 256 + i for i, pair in enumerate(merged)})
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[(pair[0], pair[1:]) for pair in merged]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([token for token in (bos, eos) if token])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=bos, eos_token=eos)


def leading_tokenizer() -> PreTrainedTokenizerFast:
    """The byte tokenizer, which puts <bos> before each text as Llama's does."""
    made = tiny.tokenizer()
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", BOS)]
    )
    return made


def scored_texts(opened, sequences) -> list[str]:
    return [opened.tokenizer.decode(list(s.tokens[s.start :])) for s in sequences]


def test_scoring_starts_after_the_prompt(base):
    sequences = encode_completions(base, "2+2=", ["4", "five"])

    assert [s.start for s in sequences] == [4, 4]
    assert scored_texts(base, sequences) == ["4", "five"]
    assert base.tokenizer.decode(list(sequences[1].tokens)) == "2+2=five"


def test_a_common_beginning_of_all_completions_is_still_scored(base):
    sequences = encode_completions(base, "a", [" xy", " xz"])

    assert scored_texts(base, sequences) == [" xy", " xz"]


def test_an_empty_prompt_gets_the_beginning_token(base):
    (sequence,) = encode_completions(base, "", ["ab"])

    assert sequence.tokens[0] == BOS
    assert sequence.start == 1
    assert scored_texts(base, [sequence]) == ["ab"]
    assert encode_prompt(base, "") == (BOS,)


def test_a_prompt_gets_no_leading_token_where_the_tokenizer_has_none(base):
    assert encode_prompt(base, "ab") == tuple(base.tokenizer("ab")["input_ids"])
    assert BOS not in encode_prompt(base, "ab")


def test_the_tokenizers_own_leading_token_is_kept_and_not_doubled(base):
    opened = with_tokenizer(base, leading_tokenizer())

    assert opened.tokenizer("ab")["input_ids"][0] == BOS
    for prompt in ("ab", ""):
        tokens = encode_prompt(opened, prompt)
        assert tokens.count(BOS) == 1
        assert tokens[0] == BOS
        (sequence,) = encode_completions(opened, prompt, ["cd"])
        assert sequence.tokens[: len(tokens)] == tokens
        assert sequence.start == len(tokens)


def test_a_leading_token_need_not_be_the_beginning_token(base):
    tokenizer = leading_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<eos> <bos> $A", special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    opened = with_tokenizer(base, tokenizer)

    assert encode_prompt(opened, "") == (EOS, BOS)
    assert encode_prompt(opened, "a")[:2] == (EOS, BOS)


def test_the_end_token_leads_where_there_is_no_beginning_token(base):
    opened = with_tokenizer(base, merging_tokenizer(bos=None))

    assert encode_prompt(opened, "") == (opened.tokenizer.eos_token_id,)


def test_neither_beginning_nor_end_token_is_an_error_only_where_one_is_needed(base):
    opened = with_tokenizer(base, merging_tokenizer(bos=None, eos=None))

    assert len(encode_prompt(opened, "ab")) == 2
    with pytest.raises(ModelError, match="neither a beginning-of-text nor an end-of-text"):
        encode_prompt(opened, "")


def test_scoring_starts_for_all_where_one_leaves_the_prompts_tokens(base):
    opened = with_tokenizer(base, merging_tokenizer("bc"))
    sequences = encode_completions(opened, "ab", ["cd", "xy"])

    # "abcd" is a|bc|d: its tokens leave the prompt's after the a, so b is scored for both.
    assert [s.start for s in sequences] == [1, 1]
    assert scored_texts(opened, sequences) == ["bcd", "bxy"]


def test_a_first_token_that_differs_is_scored_too(base):
    opened = with_tokenizer(base, merging_tokenizer("Th", "To"))
    sequences = encode_completions(opened, "T", ["he", "o"])

    lead = opened.tokenizer.bos_token_id
    assert [s.tokens[0] for s in sequences] == [lead, lead]
    assert scored_texts(opened, sequences) == ["The", "To"]


def test_the_options_of_one_question_are_a_distribution(base):
    opened = base
    sequences = encode_completions(opened, "Q: ", ["a", "b", "c"])
    scores = Scorer(opened, ScoringOptions(bfloat16=False)).score(sequences)

    assert len({sequence.tokens[:-1] for sequence in sequences}) == 1
    assert all(score.num_tokens == 1 for score in scores)


def test_messages_go_through_the_chat_template(base):
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]
    text = "<system>s\n<user>hi\n<assistant>"

    assert base.tokenizer.decode(list(encode_prompt(base, messages))) == text
    (sequence,) = encode_completions(base, messages, ["yo"])
    assert base.tokenizer.decode(list(sequence.tokens)) == text + "yo"
    assert scored_texts(base, [sequence]) == ["yo"]


def test_a_template_that_writes_the_beginning_token_does_not_double_it(base):
    tokenizer = leading_tokenizer()
    tokenizer.chat_template = "<bos>" + tiny.CHAT_TEMPLATE
    opened = with_tokenizer(base, tokenizer)

    assert encode_prompt(opened, [{"role": "user", "content": "hi"}]).count(BOS) == 1


def test_messages_without_a_template_are_refused(base):
    opened = with_tokenizer(base, merging_tokenizer())
    assert opened.tokenizer.chat_template is None

    with pytest.raises(
        ModelError, match=r"no chat template.*chat_template.jinja.*with prompt instead"
    ):
        encode_prompt(opened, [{"role": "user", "content": "hi"}])
    with pytest.raises(ModelError, match="no chat template"):
        encode_completions(opened, [{"role": "user", "content": "hi"}], ["yo"])


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ raise_exception('only users here') }}", "only users here"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages[9].content.upper() }}", "no element 9"),
        ("{{ messages + 1 }}", "can only concatenate"),
        ("{% for", "unexpected 'end of template'|Expected an expression|expected token"),
        ({"tool_use": "x"}, "multiple chat templates"),
    ],
)
def test_messages_that_the_template_refuses_are_named(base, template, fault):
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=f"template refuses the messages: .*({fault})"):
        encode_prompt(with_tokenizer(base, tokenizer), [{"role": "user", "content": "hi"}])


def test_what_does_not_fit_the_context_is_refused(base):
    assert len(encode_prompt(base, "x" * 256)) == 256
    with pytest.raises(ModelError, match="257 tokens and the model's context is 256"):
        encode_prompt(base, "x" * 257)
    with pytest.raises(ModelError, match="258 tokens"):
        encode_completions(base, "x" * 255, ["y", "yyy"])


def test_a_completion_that_adds_nothing_is_refused(base):
    with pytest.raises(ModelError, match="nothing to score: ''"):
        encode_completions(base, "a", ["b", ""])


@pytest.mark.parametrize("length", [1, 255, 256, 257, 511, 512, 513, 700, 1025])
def test_the_windows_of_a_long_passage_are_those_of_lm_eval(base, length):
    text = ("".join(chr(97 + i % 26) for i in range(length)))[:length]
    tokens = base.tokenizer(text)["input_ids"]
    expected = [
        make_disjoint_window(window)
        for window in get_rolling_token_windows(
            token_list=tokens, prefix_token=BOS, max_seq_len=256, context_len=1
        )
    ]
    windows = encode_passage(base, text)

    assert [(w.tokens[: w.start], w.tokens[w.start :]) for w in windows] == [
        (tuple(context), tuple(scored)) for context, scored in expected
    ]
    # The last token is predicted and never read, so no window is longer than the context.
    assert all(len(w.tokens) - 1 <= 256 for w in windows)
    assert sum(len(w.tokens) - w.start for w in windows) == length


def test_a_passage_that_fits_is_one_sequence_like_any_completion(base):
    for opened in (base, with_tokenizer(base, leading_tokenizer())):
        assert encode_passage(opened, "abc") == encode_completions(opened, "", ["abc"])


def test_windows_keep_every_leading_token_and_score_none_of_them(base):
    tokenizer = leading_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<eos> <bos> $A", special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    opened = with_tokenizer(base, tokenizer)
    first, second = encode_passage(opened, "x" * 300)

    assert first.tokens[:2] == (EOS, BOS)
    assert (first.start, len(first.tokens)) == (2, 257)
    assert (len(second.tokens), len(second.tokens) - second.start) == (257, 302 - 257)


def with_config(base, config):
    """The base as its code sees it, with another config."""
    model = SimpleNamespace(config=config, get_input_embeddings=base.model.get_input_embeddings)
    return dataclasses.replace(base, model=model)


def test_a_model_without_a_limit_takes_a_passage_whole(base):
    unlimited = with_config(base, PreTrainedConfig())
    (only,) = encode_passage(unlimited, "x" * 1000)

    assert len(only.tokens) == 1001


def test_a_passage_without_a_token_is_refused(base):
    with pytest.raises(ModelError, match="nothing to score: '' has no token"):
        encode_passage(base, "")


def test_the_context_of_a_model_of_several_parts_is_that_of_its_text(base):
    config = Gemma3Config(text_config={"max_position_embeddings": 100})
    assert not hasattr(config, "max_position_embeddings")
    several = with_config(base, config)
    assert len(encode_passage(several, "x" * 1000)) == 10
    with pytest.raises(ModelError, match="the model's context is 100"):
        encode_completions(several, "x" * 100, [" y"])
