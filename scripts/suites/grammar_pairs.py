"""English grammar as minimal pairs: two sentences for each of many constructions.

Sentences were written by construction, from the grammar and not from any benchmark;
American usage throughout. Constructions in which the small reference model put every
margin far past the clip were replaced as a whole by harder ones (attractors,
distance, scope).
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
    "countability": (
        "How {many|much} chairs do we need for the meeting?",
        "There is too {much|many} sugar in this tea.",
    ),
    "quantifier_verb": (
        "Each room in these houses {has|have} a view of the lake.",
        "Both of my parents {work|works} at the bank.",
    ),
    "embedded_question": (
        "I wonder what {he is|is he} doing now.",
        "Please tell me where {they have|have they} gone.",
    ),
    "adjective_order": (
        "She wore a {long red|red long} dress to the party.",
        "They found a {big old|old big} house by the sea.",
    ),
    "comparative": (
        "This road is much {longer|long} than that one.",
        "She is the {tallest|taller} girl in her class.",
    ),
    "two_attractors": (
        "The label on the bottles in the cupboards {is|are} missing.",
        "The books that the student with the glasses carries {are|is} heavy.",
    ),
    "object_relative": (
        "The girl that the boys admire {sings|sing} well.",
        "The houses that the storm damaged {were|was} empty.",
    ),
    "reflexive_attractor": (
        "The mother of the boys blamed {herself|themselves}.",
        "The students who admire the singer enjoyed {themselves|herself}.",
    ),
    "adverb_form": (
        "My sister drives very {carefully|careful}.",
        "The choir sang {beautifully|beautiful} last night.",
    ),
    "since_and_for": (
        "We have lived on this street {since|for} 1999.",
        "He has worked there {for|since} ten years.",
    ),
    "bare_infinitive": (
        "The teacher made him {wait|to wait} outside.",
        "His mother let him {stay|to stay} at home.",
    ),
    "irregular_comparison": (
        "Her second book was even {worse|bad} than the first.",
        "This is the {best|better} of all the songs.",
    ),
    "sequence_of_tenses": (
        "She told us that she {was|is} tired that day.",
        "By the time we arrived, the train {had|has} left.",
    ),
    "mass_noun_verb": (
        "The furniture in these rooms {is|are} very old.",
        "The news about the victims {was|were} sad.",
    ),
    "polarity_scope": (
        "No student has {ever|never} solved this problem.",
        "The man that nobody liked {never|ever} smiled.",
    ),
    "past_habit": (
        "My father used to {play|playing} the violin.",
        "I am used to {getting|get} up early.",
    ),
    "little_and_few": (
        "There are very {few|little} jobs in this town.",
        "He has {little|few} patience with his students.",
    ),
    "distant_verb": (
        "The teacher, who knows all of my friends, {likes|like} music.",
        "One of the windows in the classroom {is|are} broken.",
    ),
    "inverted_subject": (
        "Behind the house {stand|stands} two old trees.",
        "On the wall {hangs|hang} a portrait of the queen.",
    ),
    "second_verb": (
        "She opens the shop at nine and {closes|close} it at six.",
        "They cook dinner together and {wash|washes} the dishes.",
    ),
    "gerund_subject": (
        "Reading these long reports {takes|take} a lot of time.",
        "Eating too many sweets {is|are} bad for you.",
    ),
    "number_of": (
        "A number of students {were|was} absent on Monday.",
        "The number of visitors {has|have} doubled this year.",
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Minimal pairs, grouped by construction.
    """
    return minimal_pairs("grammar_pairs", _TABLE)
