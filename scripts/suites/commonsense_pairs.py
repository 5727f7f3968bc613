"""Plausible against implausible statements, as minimal pairs.

Each theme has its own pairs; the two sentences of a pair differ in one or two words
of the same kind, and often only in the order of two nouns. Both are grammatical.
Where the small reference model had no doubt at all, many of the implausible words were
replaced by closer ones.
"""

from __future__ import annotations

from ._items import Item, minimal_pairs

_TABLE = {
    "tools": (
        "She ate the soup with a {spoon|fork}.",
        "She hit the nail with a {hammer|pencil}.",
        "They swept the kitchen floor with a {broom|rake}.",
        "I unlocked the door with my {key|comb}.",
    ),
    "cause": (
        "The ice melted because the room was too {warm|cold}.",
        "He put on a coat because it was {cold|hot} outside.",
        "The plant died because nobody {watered|watched} it.",
        "We were late because the traffic was very {heavy|light}.",
    ),
    "roles": (
        "The {cat|mouse} chased the {mouse|cat} across the kitchen.",
        "The {customer|waiter} tipped the {waiter|customer} after the meal.",
        "The {teacher|students} graded the {students|teacher} on the final exam.",
        "The {police|thief} arrested the {thief|police} near the bank.",
    ),
    "size": (
        "An elephant is much {bigger|smaller} than a mouse.",
        "The toy was small enough to fit in a {pocket|ring}.",
        "The truck was too {wide|narrow} to fit through the gate.",
        "She could not reach the shelf because she was too {short|tall}.",
    ),
    "order": (
        "She opened the umbrella when it started to {rain|shine}.",
        "He washed the dishes {after|before} the meal.",
        "They {bought|used} the tickets and then {used|bought} them.",
        "He put on his {socks|shoes} first and then his {shoes|socks}.",
    ),
    "places": (
        "You can borrow books from the {library|hospital}.",
        "The farmer keeps his cows in the {barn|kitchen}.",
        "The plane landed at the {airport|station} on time.",
        "We took the sick dog to the {vet|dentist}.",
    ),
    "materials": (
        "He lit the {candle|match} with a {match|candle}.",
        "They built a {bridge|river} across the {river|bridge}.",
        "Her winter sweater was made of {wool|wood}.",
        "The stone sank because it was {heavy|light}.",
    ),
    "feelings": (
        "She smiled because she was {happy|angry}.",
        "He cried when his dog {died|slept}.",
        "The children were {sad|glad} when the holidays were over.",
        "He felt {proud|ashamed} of winning the prize.",
    ),
    "body": (
        "She put the glove on her {hand|foot}.",
        "He wore the hat on his {head|knee}.",
        "You smell the flowers with your {nose|ears}.",
        "After the long run his {legs|teeth} were tired.",
    ),
    "animals": (
        "The bird built a nest in the {tree|river}.",
        "A fish breathes under the {water|sand}.",
        "The hungry lion ate the {meat|grass}.",
        "The dog buried its {bone|tail} in the garden.",
    ),
    "time": (
        "We eat breakfast in the {morning|evening}.",
        "The stars came out after {sunset|sunrise}.",
        "The leaves fall from the trees in {autumn|spring}.",
        "The baby is younger than his {mother|daughter}.",
    ),
    "food": (
        "He added some sugar to make the tea {sweeter|colder}.",
        "She boiled the {water|bread} before she added the pasta.",
        "We put the ice cream in the {freezer|oven}.",
        "The soup was too {salty|sandy}, so he added some water.",
    ),
    "work": (
        "The pilot flew the {plane|bus} through the storm.",
        "The {baker|lawyer} took the bread out of the oven.",
        "The dentist looked at my {teeth|feet}.",
        "The {waiter|dentist} brought us the menu and two glasses of water.",
    ),
    "weather": (
        "The grass was {wet|dry} because it had rained all night.",
        "There was so much snow that the schools were {closed|open}.",
        "The strong wind blew his {hat|house} away.",
        "The sun was so bright that she needed her {sunglasses|umbrella}.",
    ),
    "society": (
        "He {bought|sold} his ticket before he got on the train.",
        "The judge sent the {criminal|witness} to prison.",
        "The singer walked onto the {stage|roof} and the crowd cheered.",
        "She bought {stamps|shoes} at the post office.",
    ),
    "physics": (
        "The glass fell on the floor and {broke|burned}.",
        "The {ship|anchor} dropped its {anchor|ship} in the bay.",
        "The balloon floated up into the {sky|sea}.",
        "The candle went out because of the {wind|light}.",
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Minimal pairs; themes are strata of the design, not groups.
    """
    return minimal_pairs("commonsense_pairs", _TABLE, is_grouped=False)
