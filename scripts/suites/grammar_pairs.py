"""English grammar as minimal pairs: two sentences for each of many constructions.

Sentences were written by construction, from the grammar and not from any benchmark;
American usage throughout. A construction was dropped whole when the small reference
model had no preference in it.
"""

from __future__ import annotations

from ._items import Item, minimal_pairs

_TABLE = {
    "subject_verb": (
        "The dogs in the yard {bark|barks} every morning.",
        "The old teacher {lives|live} near the train station.",
    ),
    "attractor": (
        "The keys to the cabinet {are|is} on the table.",
        "The picture of my cousins {hangs|hang} in the hall.",
    ),
    "relative_clause": (
        "The boys that the coach praised {were|was} smiling.",
        "The woman who sells these flowers {knows|know} everyone here.",
    ),
    "coordination": (
        "My brother and my sister {are|is} both taller than me.",
        "The mayor and her deputy {have|has} signed the letter.",
    ),
    "existential": (
        "There {are|is} three apples left in the bowl.",
        "There {was|were} a strange noise in the attic.",
    ),
    "reflexive_gender": (
        "The little girl hurt {herself|himself} on the ice.",
        "My grandfather taught {himself|herself} to paint.",
    ),
    "reflexive_number": (
        "The players blamed {themselves|himself} for the loss.",
        "The king looked at {himself|themselves} in the mirror.",
    ),
    "demonstrative": (
        "She bought {these|this} shoes last week.",
        "I have already read {this|these} book twice.",
    ),
    "article": (
        "He ate {an|a} orange before lunch.",
        "She put on {a|an} uniform and went to work.",
    ),
    "countability": (
        "How {many|much} chairs do we need for the meeting?",
        "There is too {much|many} sugar in this tea.",
    ),
    "quantifier_noun": (
        "We gave a small prize to {every|all} student.",
        "Almost {all|every} birds can fly.",
    ),
    "quantifier_verb": (
        "Each of the rooms {has|have} a view of the lake.",
        "Both of my parents {work|works} at the bank.",
    ),
    "question_order": (
        "Where {did you|you did} put my glasses?",
        "What {are they|they are} doing in the garage?",
    ),
    "embedded_question": (
        "I wonder what {he is|is he} doing now.",
        "Please tell me where {they have|have they} gone.",
    ),
    "adjective_order": (
        "She wore a {long red|red long} dress to the party.",
        "They found a {big old|old big} house by the sea.",
    ),
    "adverb_position": (
        "My uncle {never eats|eats never} meat.",
        "We have {always lived|lived always} in this town.",
    ),
    "tense_and_time": (
        "Yesterday we {walked|walk} along the river.",
        "She {will call|called} you tomorrow evening.",
    ),
    "participle": (
        "I have {seen|saw} that film before.",
        "They had {gone|went} home before the storm.",
    ),
    "modal": (
        "You should {be|are} more careful with knives.",
        "The little boy can already {swim|swims} very well.",
    ),
    "complement_verb": (
        "I really enjoy {reading|to read} before bed.",
        "He finally decided {to leave|leaving} the company.",
    ),
    "do_support": (
        "My daughter doesn't {like|likes} spicy food.",
        "Did you {see|saw} the moon last night?",
    ),
    "polarity": (
        "I don't think there is {any|some} milk left.",
        "My neighbor has {never|ever} been to Spain.",
    ),
    "comparative": (
        "This road is much {longer|long} than that one.",
        "She is the {tallest|taller} girl in her class.",
    ),
    "comparison_word": (
        "My brother is taller {than|as} his father.",
        "The water was as cold {as|than} ice.",
    ),
    "pronoun_case": (
        "The letter was addressed to {him|he} by mistake.",
        "We saw {them|they} at the market on Sunday.",
    ),
    "possessive": (
        "That red coat is {mine|my}, not yours.",
        "The cat licked {its|it} paw and went to sleep.",
    ),
    "passive": (
        "The cake was {eaten|eating} by the children.",
        "This letter was {written|wrote} by hand.",
    ),
    "argument_structure": (
        "We {discussed|talked} the plan for several hours.",
        "The baby {slept|wanted} through the whole concert.",
    ),
    "preposition": (
        "He still depends {on|of} his parents for money.",
        "They are very interested {in|on} local history.",
    ),
    "relative_pronoun": (
        "The man {who|which} called you is my uncle.",
        "The train {that|who} leaves at noon is always full.",
    ),
    "conditional": (
        "If he {had|has} known, he would have come.",
        "If it rains tomorrow, we {will|would have} stay at home.",
    ),
    "question_tag": (
        "You are coming with us, {aren't|isn't} you?",
        "She can drive a truck, {can't|doesn't} she?",
    ),
    "degree": (
        "It was {such|so} a lovely day that we stayed outside.",
        "The box was {so|such} heavy that nobody could lift it.",
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Minimal pairs, grouped by construction.
    """
    return minimal_pairs("grammar_pairs", _TABLE)
