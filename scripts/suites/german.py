"""German grammar as minimal pairs: a few sentences for each construction.

Sentences were written for this suite by rule of grammar; both sentences of a pair
use existing words, and only one of them is grammatical in standard German. The prefix
tells a model the language, and keeps the start of the sentence away from position 0.
Constructions that the small reference model could not do were dropped whole (dative
objects, the genitive, participles, zu, separable verbs, relative pronouns, comparison).
"""

from __future__ import annotations

from ._items import Item, minimal_pairs

_TABLE = {
    "subject_verb": (
        "Wenn du müde {bist|ist}, kannst du hier schlafen.",
        "Ich denke, dass wir genug Zeit {haben|hat}.",
        "In diesem Haus {wohnen|wohnt} viele Familien.",
    ),
    "verb_final": (
        "Ich weiß, dass er {krank ist|ist krank}.",
        "Sie bleibt zu Hause, weil sie {müde ist|ist müde}.",
        "Ich frage mich, ob er {heute kommt|kommt heute}.",
        "Er sagt, dass er {kein Geld hat|hat kein Geld}.",
    ),
    "verb_second": (
        "Heute {gehe ich|ich gehe} ins Kino.",
        "Morgen {werden wir|wir werden} nach Berlin fahren.",
        "Gestern {hat er|er hat} viel gearbeitet.",
    ),
    "modal_order": (
        "Ich möchte {ein Buch lesen|lesen ein Buch}.",
        "Wir müssen heute {nach Hause gehen|gehen nach Hause}.",
        "Sie kann {sehr gut singen|singen sehr gut}.",
    ),
    "perfect_order": (
        "Er hat {das Haus gekauft|gekauft das Haus}.",
        "Wir haben {viel Wasser getrunken|getrunken viel Wasser}.",
        "Ich habe {einen Brief geschrieben|geschrieben einen Brief}.",
    ),
    "adjective_order": (
        "Das ist ein {rotes Auto|Auto rotes}.",
        "Sie wohnt in einer {kleinen Stadt|Stadt kleinen}.",
    ),
    "negation_order": (
        "Das Wetter ist heute {nicht gut|gut nicht}.",
        "Er {hat keine|keine hat} Zeit.",
        "Ich {verstehe nicht|nicht verstehe}, was er sagt.",
    ),
    "negation_word": (
        "Das ist {nicht|kein} gut.",
        "Ich bin {nicht|kein} müde.",
        "Er hat {keinen|nicht} Bruder.",
    ),
    "article_gender": (
        "Er liest {das|die} Buch in der Schule.",
        "Wo ist {die|das} Zeitung von heute?",
        "Heute scheint {die|der} Sonne.",
        "Hier wohnt {der|die} Mann mit dem Hund.",
    ),
    "accusative": (
        "Ich sehe {den|der} Mann auf der Straße.",
        "Wir haben {einen|ein} Hund und eine Katze.",
        "Er kauft {einen|einem} neuen Computer.",
    ),
    "pronoun_case": (
        "Ich habe {ihn|er} gestern gesehen.",
        "Kannst du {mir|ich} bitte helfen?",
        "Sie hat {uns|wir} letzte Woche besucht.",
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
    "perfect_auxiliary": (
        "Wir {sind|haben} gestern nach Hause gegangen.",
        "Sie {hat|ist} ein Buch gelesen.",
        "Er {ist|hat} nach Berlin gefahren.",
        "Die Kinder {haben|sind} im Garten gespielt.",
    ),
    "modal_infinitive": (
        "Ich kann heute nicht {kommen|komme}.",
        "Er will morgen nach Hause {gehen|geht}.",
        "Wir müssen das {machen|gemacht}.",
        "Du darfst hier nicht {rauchen|rauchst}.",
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
        "Wir treffen {uns|sich} am Bahnhof.",
        "Du musst {dich|sich} beeilen.",
    ),
    "plural": (
        "Auf dem Tisch liegen drei {Bücher|Buch}.",
        "Er hat zwei kleine {Kinder|Kind}.",
        "Heute sind viele {Menschen|Mensch} in der Stadt.",
    ),
    "preposition_choice": (
        "Ich warte {auf|für} den Bus.",
        "Wir fahren {nach|zu} Deutschland.",
        "Sie interessiert sich {für|auf} Musik.",
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Minimal pairs, grouped by construction.
    """
    return minimal_pairs("german", _TABLE, prefix="Beispiel: ")
