"""French grammar as minimal pairs: a few sentences for each construction.

Sentences were written for this suite by rule of grammar; both sentences of a pair
use existing words, and only one of them is grammatical in standard French. The prefix
tells a model the language, and keeps the start of the sentence away from position 0.
Constructions that the small reference model could not do were dropped whole (verb
endings, the subjunctive, choice of tense, comparison).
"""

from __future__ import annotations

from ._items import Item, minimal_pairs

_TABLE = {
    "article_gender": (
        "Elle a acheté {une|un} maison à la campagne.",
        "Il lit {le|la} journal tous les matins.",
        "Le chat dort sur {la|le} table.",
        "Nous avons loué {un|une} appartement près de la gare.",
    ),
    "article_number": (
        "Il y a {des|une} pommes dans le panier.",
        "Elle aime {les|le} fleurs de son jardin.",
        "Il a visité {les|la} musées de Paris.",
    ),
    "adjective_gender": (
        "C'est une très {belle|beau} ville.",
        "La porte de la maison est {verte|vert}.",
        "Mon père est {heureux|heureuse} de vous voir.",
        "La soupe est encore trop {chaude|chaud}.",
    ),
    "adjective_number": (
        "Les rues de la ville sont {petites|petite}.",
        "Mes parents sont {contents|content} de leur voyage.",
        "Ce film est plus {long|longs} que le livre.",
    ),
    "possessive": (
        "Je cherche {mes|mon} clés depuis une heure.",
        "Elle a perdu {son|sa} livre dans le train.",
        "Il parle avec {sa|son} mère au téléphone.",
    ),
    "demonstrative": (
        "Je ne connais pas {cette|ce} femme.",
        "Qui a écrit {ce|cette} livre ?",
        "À qui sont {ces|cette} chaussures ?",
    ),
    "elision": (
        "Elle boit {de l'eau|de eau} froide.",
        "Il va à {l'école|la école} à pied.",
        "Nous avons visité {l'église|la église} du village.",
        "C'est {l'histoire|la histoire} d'un jeune roi.",
    ),
    "contraction": (
        "Nous allons {au|à le} marché le samedi.",
        "Il revient {du|de le} travail à six heures.",
        "Elle parle {aux|à les} enfants de l'école.",
        "Le toit {du|de le} château est rouge.",
    ),
    "negation": (
        "Je ne {sais pas|pas sais} où il habite.",
        "Nous n'avons {jamais vu|vu jamais} la mer.",
        "Elle ne {mange jamais|jamais mange} de viande.",
    ),
    "perfect_auxiliary": (
        "Elle {est|a} arrivée hier soir.",
        "Nous {avons|sommes} mangé au restaurant.",
        "Il {est|a} né à Paris en hiver.",
        "Ils {ont|sont} acheté une voiture.",
    ),
    "participle": (
        "J'ai {fini|finir} mon travail.",
        "Ils ont {pris|prendre} le train de midi.",
        "Vous avez déjà {vu|voir} ce film.",
    ),
    "infinitive": (
        "Je voudrais {manger|mange} une pomme.",
        "Nous devons {partir|partons} demain matin.",
        "Il peut {venir|vient} avec nous.",
        "Elle est sortie sans {fermer|ferme} la porte.",
    ),
    "object_pronoun": (
        "Je {le vois|vois le} tous les jours.",
        "Elle {nous attend|attend nous} devant la gare.",
        "Il {me donne|donne me} son adresse.",
    ),
    "preposition": (
        "Mon frère habite {en|à} France depuis dix ans.",
        "Elle a besoin {de|à} repos.",
        "Je pense souvent {à|sur} mes amis.",
        "Nous sommes fiers {de|à} notre fille.",
    ),
    "place_preposition": (
        "Il travaille {au|en} Canada.",
        "Elle est née {à|en} Paris.",
        "Nous passons nos vacances {en|au} Italie.",
    ),
    "relative_pronoun": (
        "Voici l'homme {qui|que} parle trois langues.",
        "C'est le livre {que|qui} j'ai lu.",
        "La ville {où|qui} je suis né est belle.",
        "L'ami {dont|qui} je parle habite à Lyon.",
    ),
    "adjective_order": (
        "Il porte une {chemise blanche|blanche chemise}.",
        "Elle conduit une {voiture rouge|rouge voiture}.",
    ),
    "quantity": (
        "Il y a beaucoup {de|des} monde ici.",
        "Elle a acheté un kilo {de|des} pommes.",
        "Il a trop {de|du} travail cette semaine.",
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Minimal pairs, grouped by construction.
    """
    return minimal_pairs("french", _TABLE, prefix="Exemple : ")
