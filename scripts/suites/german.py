"""German grammar as minimal pairs: a few sentences for each construction.

Sentences were written for this suite by rule of grammar; both sentences of a pair
use existing words, and only one of them is grammatical in standard German.
"""

from __future__ import annotations

from ._items import Item, minimal_pairs

_TABLE = {
    "subject_verb": (
        "Die Kinder {spielen|spielt} im Garten.",
        "Mein Bruder {wohnt|wohnen} in Berlin.",
        "Wir {haben|hat} heute keine Zeit.",
        "Du {bist|ist} sehr müde.",
    ),
    "article_gender": (
        "Er liest {das|die} Buch in der Schule.",
        "Wo ist {die|das} Zeitung von heute?",
        "Heute scheint {die|der} Sonne.",
        "Hier wohnt {der|die} Mann mit dem Hund.",
    ),
    "article_number": (
        "In dem Park gibt es {viele|viel} Bäume.",
        "Sie hat {zwei|ein} Kinder.",
    ),
    "accusative": (
        "Ich sehe {den|der} Mann auf der Straße.",
        "Wir haben {einen|ein} Hund und eine Katze.",
        "Sie liebt {ihn|er} sehr.",
    ),
    "dative": (
        "Ich helfe {dem|den} Mann bei der Arbeit.",
        "Das Buch gehört {mir|mich}.",
        "Er gibt {ihr|sie} einen Brief.",
    ),
    "genitive": (
        "Das Haus {meines Vaters|mein Vater} ist groß.",
        "Am Ende {des|der} Tages waren alle müde.",
    ),
    "preposition_dative": (
        "Er kommt mit {dem|den} Zug nach Hause.",
        "Sie wohnt bei {ihrer|ihre} Mutter.",
        "Nach {der|die} Schule geht er nach Hause.",
        "Ich komme aus {der|die} Schweiz.",
    ),
    "preposition_accusative": (
        "Das Geschenk ist für {dich|dir}.",
        "Er geht ohne {seinen|seinem} Hund in den Park.",
        "Wir fahren durch {die|der} Stadt.",
    ),
    "verb_second": (
        "Heute {gehe ich|ich gehe} ins Kino.",
        "Morgen {werden wir|wir werden} nach Berlin fahren.",
        "Gestern {hat er|er hat} viel gearbeitet.",
    ),
    "verb_final": (
        "Ich weiß, dass er {krank ist|ist krank}.",
        "Sie bleibt zu Hause, weil sie {müde ist|ist müde}.",
        "Ich frage mich, ob er {heute kommt|kommt heute}.",
    ),
    "separable_verb": (
        "Er steht jeden Tag um sechs Uhr {auf|an}.",
        "Der Film fängt um acht Uhr {an|auf}.",
    ),
    "perfect_auxiliary": (
        "Wir {sind|haben} gestern nach Hause gegangen.",
        "Sie {hat|ist} ein Buch gelesen.",
        "Er {ist|hat} nach Berlin gefahren.",
    ),
    "participle": (
        "Ich habe das Buch {gelesen|lesen}.",
        "Sie hat einen Brief {geschrieben|schreiben}.",
        "Wir haben das Haus {gekauft|kaufen}.",
    ),
    "modal_infinitive": (
        "Ich kann heute nicht {kommen|komme}.",
        "Er will morgen nach Hause {gehen|geht}.",
        "Wir müssen das {machen|gemacht}.",
    ),
    "zu_infinitive": (
        "Er versucht, das Problem {zu lösen|lösen}.",
        "Es ist schön, dich {zu sehen|sehen}.",
    ),
    "negation": (
        "Ich habe {kein|nicht} Geld.",
        "Das ist {nicht|kein} gut.",
        "Wir haben {keine|nicht} Zeit für ein Spiel.",
    ),
    "possessive": (
        "Das ist {meine|mein} Schwester.",
        "Sie sucht {ihren|ihr} Schlüssel.",
        "Er besucht {seine|sein} Familie.",
    ),
    "adjective_ending": (
        "Das ist ein {gutes|guter} Buch.",
        "Sie hat eine {neue|neuer} Wohnung.",
        "Er trinkt {kaltes|kalten} Wasser.",
        "Das {kleine|kleines} Kind schläft.",
    ),
    "reflexive": (
        "Ich freue {mich|sich} auf den Sommer.",
        "Er setzt {sich|mich} auf den Stuhl.",
    ),
    "relative_pronoun": (
        "Der Mann, {der|die} hier wohnt, ist Arzt.",
        "Die Frau, {die|das} ich kenne, heißt Anna.",
        "Das Haus, {das|der} wir gekauft haben, ist alt.",
    ),
    "comparison": (
        "Er ist älter {als|wie} sein Bruder.",
        "Das Auto ist {schneller|schnell} als das Fahrrad.",
    ),
    "preposition_choice": (
        "Ich warte {auf|für} den Bus.",
        "Er denkt {an|auf} seine Mutter.",
        "Wir fahren {nach|zu} Deutschland.",
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Minimal pairs, grouped by construction.
    """
    return minimal_pairs("german", _TABLE)
