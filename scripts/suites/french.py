"""French grammar as minimal pairs: a few sentences for each construction.

Sentences were written for this suite by rule of grammar; both sentences of a pair
use existing words, and only one of them is grammatical in standard French.
"""

from __future__ import annotations

from ._items import Item, minimal_pairs

_TABLE = {
    "subject_verb": (
        "Les enfants {jouent|joue} dans le jardin.",
        "Nous {habitons|habitez} dans une petite ville.",
        "Tu {parles|parlez} trop vite.",
    ),
    "etre_avoir": (
        "Nous {sommes|avons} très fatigués ce soir.",
        "Elle {a|est} vingt ans aujourd'hui.",
        "Ils {ont|sont} peur du chien.",
    ),
    "article_gender": (
        "Elle a acheté {une|un} maison à la campagne.",
        "Il lit {le|la} journal tous les matins.",
        "Le chat dort sur {la|le} table.",
    ),
    "article_number": (
        "Il y a {des|une} pommes dans le panier.",
        "Elle aime {les|le} fleurs de son jardin.",
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
        "Il va à {l'école|la école} en vélo.",
        "Nous avons visité {l'église|la église} du village.",
    ),
    "contraction": (
        "Nous allons {au|à le} marché le samedi.",
        "Il revient {du|de le} travail à six heures.",
        "Elle parle {aux|à les} enfants de l'école.",
    ),
    "negation": (
        "Je ne {sais pas|pas sais} où il habite.",
        "Il n'y a {pas de|pas du} pain à la maison.",
        "Nous n'avons {jamais vu|vu jamais} la mer.",
    ),
    "perfect_auxiliary": (
        "Elle {est|a} arrivée hier soir.",
        "Nous {avons|sommes} mangé au restaurant.",
        "Il {est|a} né à Paris en hiver.",
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
    ),
    "subjunctive": (
        "Il faut que tu {sois|es} patient.",
        "Je veux qu'il {vienne|vient} ce soir.",
    ),
    "future": (
        "Demain, nous {irons|allions} à la plage.",
        "L'année prochaine, elle {sera|était} médecin.",
    ),
    "past": (
        "Hier, il {a plu|pleuvra} toute la journée.",
        "Quand j'{étais|est} petit, je vivais ici.",
    ),
    "object_pronoun": (
        "Je {le vois|vois le} tous les jours.",
        "Elle {nous attend|attend nous} devant la gare.",
        "Il {me donne|donne me} son adresse.",
    ),
    "preposition": (
        "Mon frère habite {en|à} France depuis dix ans.",
        "Il a commencé {à|de} pleuvoir.",
        "Elle a besoin {de|à} repos.",
        "Je pense souvent {à|sur} mes amis.",
    ),
    "country_preposition": (
        "Il travaille {au|en} Canada.",
        "Elle est née {à|en} Paris.",
    ),
    "relative_pronoun": (
        "Voici l'homme {qui|que} parle trois langues.",
        "C'est le livre {que|qui} j'ai lu.",
        "La ville {où|qui} je suis né est belle.",
    ),
    "adjective_order": (
        "Il porte une {chemise blanche|blanche chemise}.",
        "C'est une {grande maison|maison grande} avec un jardin.",
    ),
    "comparison": (
        "Elle est plus grande {que|de} son frère.",
        "C'est {le meilleur|le plus bon} restaurant de la ville.",
    ),
    "quantity": (
        "Il y a beaucoup {de|des} monde ici.",
        "Je voudrais un verre {de|du} vin.",
    ),
}


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Minimal pairs, grouped by construction.
    """
    return minimal_pairs("french", _TABLE)
