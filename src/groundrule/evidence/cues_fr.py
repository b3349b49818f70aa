"""Cues of French."""

from __future__ import annotations

from groundrule.evidence.cues import Cues, words
from groundrule.evidence.report import Stance

_A = r"(?:a|ont|avait|avaient|aurait|auraient)"

CUES = Cues(
    language="fr",
    abbreviations=words("m mm mme mmes mlle dr st ste no etc art p cf janv févr avr juil sept oct nov déc"),
    counts={
        "un": 1,
        "une": 1,
        "deux": 2,
        "trois": 3,
        "quatre": 4,
        "cinq": 5,
        "six": 6,
        "sept": 7,
        "huit": 8,
        "neuf": 9,
        "dix": 10,
        "plusieurs": 2,
        "quelques": 2,
        "différentes": 2,
        "diverses": 2,
        "de nombreux": 2,
        "de nombreuses": 2,
    },
    unnamed=r"sources?|responsables?|fonctionnaires?|diplomates?|employée?s?|salariée?s?|ingénieure?s?|collaborat(?:eurs?"
    r"|rices?)|proches?|témoins?|agents?|officiers?"
    r"|conseill(?:ers?|ères?)|initiée?s?|personnes?|militaires|experts?|technicien(?:ne)?s?",
    bodies=r"ministère|ministre|gouvernement|entreprise|société|compagnie|opérateur|exploitant|armée|marine|police|autorités?"
    r"|régulateur|commission|ambassade"
    r"|tribunal|parquet|parlement|congrès|sénat|kremlin|maison[ -]blanche|pentagone|trésor|bureau|conseil|comité|porte-parole"
    r"|président(?:e)?|maire|gouverneure?"
    r"|sénat(?:eur|rice)|député(?:e)?|secrétaire(?: d['’]état)?|ambassad(?:eur|rice)|général(?:e)?|colonel(?:le)?"
    r"|direct(?:eur|rice)|fondat(?:eur|rice)|pdg|avocat(?:e)?|association|syndicat",
    links=r"de|de la|de l['’]|du|des|d['’]|au|aux|au fait|proches?|au sein",
    outlet_nouns=r"journal|quotidien|hebdomadaire|magazine|agence(?: de presse)?|chaîne|site",
    outlet_names=r"Courrier|Parisien|Monde|Libération|Gazette",
    articles=r"le|la|les|l['’]|un|une|des|ce|cette|ces|son|sa|ses|leur|leurs",
    capital_nouns=False,
    saying=rf"(?:{_A}\s+)?(?:également\s+|aussi\s+)?(?:déclaré|affirmé|indiqué|expliqué|écrit|rapporté|révélé|ajouté|publié"
    rf"|annoncé|raconté|assuré|précisé|soutenu|estimé)"
    r"|affirme(?:nt)?|indique(?:nt)?|déclare(?:nt)?|rapporte(?:nt)?|écrit|écrivent|révèle(?:nt)?|dit|disent|assure(?:nt)?"
    r"|explique(?:nt)?|précise(?:nt)?|raconte(?:nt)?|publie(?:nt)?|qualifie(?:nt)?",
    stances=(
        (
            Stance.CANNOT_CORROBORATE,
            "cannot_corroborate",
            (
                r"n['’](?:a|ont|est|était|étaient|avait|avaient)\s+pas\s+(?:été\s+)?(?:pu|en\s+mesure\s+de|parvenue?s?\s+à|capables?\s+"
                r"de)\s+(?:\w+\s+){0,2}?(?:confirmer|vérifier|corroborer|établir|retracer)"
                r"|ne\s+(?:peut|peuvent|pouvait|pouvaient|sont\s+pas\s+en\s+mesure|est\s+pas\s+en\s+mesure)\s+(?:pas\s+|ni\s+|de\s+)?"
                r"(?:\w+\s+){0,2}?(?:confirmer|vérifier|corroborer|établir)"
                r"|n['’](?:a|ont)\s+(?:trouvé|relevé)\s+aucune?\s+(?:preuve|élément|trace)"
            ),
        ),
        (
            Stance.UNAWARE,
            "unaware",
            (
                r"(?:ne\s+pas\s+être|n['’](?:être|était|étaient|est|ont\s+été|a\s+été)\s+pas|ne\s+(?:sont|seraient|serait)\s+pas)\s+"
                r"(?:au\s+courant|informée?s?)|(?:n['’](?:avoir|a|ont|avait|avaient)|ne)\s+(?:jamais|rien)\s+(?:entendu\s+parler|su)"
                r"|ignor(?:er|ait|aient|e|ent)\s+(?:tout|l['’]existence)|n['’](?:avoir|a|ont|avait|avaient)\s+(?:pas\s+|aucune\s+"
                r")connaissance|ne\s+(?:savait|savaient|savoir)\s+rien|ne\s+rien\s+savoir"
            ),
        ),
        (
            Stance.NO_REPLY,
            "no_reply",
            (
                r"n['’](?:a|ont|avait|avaient)\s+pas\s+(?:immédiatement\s+)?(?:répondu|donné\s+suite"
                r"|réagi)|(?:est|sont)\s+restée?s?\s+(?:sans\s+réponse|muette?s?)"
            ),
        ),
        (
            Stance.DECLINES,
            "declines",
            (
                r"(?:s['’](?:est|sont)\s+refusée?s?|(?:a|ont)\s+(?:refusé|décliné))\s+(?:à|de|d['’])?\s*(?:tout\s+|tous\s+)?"
                r"(?:commentaires?|commenter|s['’]exprimer|répondre)|n['’](?:a|ont)\s+pas\s+(?:souhaité|voulu)\s+(?:commenter"
                r"|s['’]exprimer|réagir|faire\s+de\s+commentaire)|ne\s+souhaite(?:nt)?\s+pas\s+(?:commenter|s['’]exprimer)"
            ),
        ),
        (
            Stance.DENIES,
            "denies",
            (
                r"dément(?:ent|i|ie|ait|aient)?|(?:a|ont)\s+démenti|ni(?:e|ent|ait|aient)\s+(?:avoir|être|que|tout|toute|ces|cette"
                r"|les|l['’])|conteste(?:nt)?\s+(?:cette|ces|avoir|la|les)|(?:a|ont)\s+(?:nié|contesté|rejeté)|rejette(?:nt)?\s+"
                r"(?:ces|cette|les|l['’])"
            ),
        ),
        (
            Stance.CALLS_FOR_INQUIRY,
            "calls_for_inquiry",
            (
                r"(?:(?:a|ont)\s+)?(?:réclam(?:é|e|ent)|demand(?:é|e|ent)|exig(?:é|e|ent)|appel(?:é|le|lent)\s+à)\s+(?:\w+\s+"
                r"){0,3}?(?:enquêtes?|investigations?|auditions?|commission\s+d['’]enquête)"
            ),
        ),
        (Stance.CONFIRMS, "confirms", r"(?:(?:a|ont|avait|avaient)\s+)confirmé|confirme(?:nt)?(?!\s+pas)|corroborent?"),
    ),
    by=(
        (
            Stance.CONFIRMS,
            "confirmed_by",
            r"(?:confirmée?s?|corroborée?s?)\s+par\s+(?P<src>[^.;:]{3,140}?)(?=[.;:,]|$)",
        ),
        (Stance.REPORTS, "reported_by", r"(?:rapportée?s?|révélée?s?)\s+par\s+(?P<src>[^.;:,]{3,100}?)(?=[.;:,]|$)"),
    ),
    according=(
        ("selon", r"selon\s+(?P<src>[^.;:,]{3,100}?)(?=[.;:,]|$)"),
        ("dapres", r"d['’]après\s+(?P<src>[^.;:,]{3,100}?)(?=[.;:,]|$)"),
    ),
    alone=(
        (Stance.REPORTS, "hedged", r"prétendument|à\s+en\s+croire"),
        (
            Stance.CANNOT_CORROBORATE,
            "unverified",
            (
                r"n['’](?:a|ont)\s+pas\s+pu\s+être\s+(?:confirmée?s?|vérifiée?s?)(?:\s+de\s+"
                r"source\s+indépendante)?"
            ),
        ),
    ),
    stops=r"que|qu['’]|si|parce|mais|quand|et|ou|dont|où",
    small=r"par|de|du|d|à|au|aux|en|dans|sur|pour|avec|sans|que|qui|et|ou|mais|si|est|sont|a|ont|avait|avaient|été|était|ne|n"
    r"|pas|il|elle|ils|elles|on|nous|selon|car|dont|où|comme|dit|affirme",
    adjective=r"[a-zà-ÿ’'-]+",
    told=r"à|au|à l['’]|auprès de|auprès du",
    pronouns=r"il|elle|ils|elles|on|t-il|t-elle",
    indirect=r"que|qu['’]",
    back=r"(?:cette|ces|l['’])\s*(?:informations?|affirmations?|déclarations?)",
    because=r"car|puisque|parce que",
    opinion=(
        ("we_must", r"nous\s+(?:devons|devrions|ne\s+pouvons|ne\s+devons|méritons|pouvons\s+pas|espérons)"),
        (
            "ought",
            (
                r"il\s+faut\s+(?:que|absolument|une|enfin)|il\s+faudrait|(?:doit|doivent|devrait|devraient)\s+(?:enfin\s+"
                r"|maintenant\s+)?(?:rendre|répondre|démissionner|s['’]expliquer|être)"
            ),
        ),
        (
            "judges",
            (
                r"une?\s+(?:honte|scandale|véritable\s+scandale)|scandaleux|honteux|inadmissible|intolérable|c['’]est\s+"
                r"grave|impardonnable"
            ),
        ),
        (
            "hope",
            (
                r"on\s+ne\s+peut\s+qu['’]espérer|à\s+mon\s+avis|je\s+(?:pense|crois|crains)|espérons|ne\s+nous\s+y\s+"
                r"trompons\s+pas|ne\s+vous\s+y\s+trompez\s+pas"
            ),
        ),
        ("foresees", r"ne\s+fera\s+qu['’](?:empirer|aggraver)|si\s+\w+\s+(?:gagne|l['’]emporte)"),
    ),
    service=r"services?|terminal|terminaux|liaison|connexion|couverture|starlink|réseau|appareils?|internet",
    acts=r"(?:a|ont|avait|avaient)\s+été\s+(?:\w+\s+)?(?:coupée?s?|interrompue?s?|suspendue?s?|désactivée?s?|bloquée?s?"
    r"|refusée?s?|retrouvée?s?|découverte?s?|saisie?s?|rétablie?s?|activée?s?)"
    r"|(?:a|ont)\s+(?:coupé|désactivé|bloqué|refusé|suspendu)\s+(?=(?:\S+\s+){0,5}?(?:service|terminaux|accès|starlink|connexion))",
    doubt=r"si|pourrait|pourraient|devrait|devraient|serait|seraient|doit|peut|aurait|auraient",
)
