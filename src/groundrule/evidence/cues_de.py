"""Cues of German."""

from __future__ import annotations

from groundrule.evidence.cues import Cues, words
from groundrule.evidence.report import Stance

_CLAIM = (
    r"(?:Vorw[uü]rfe?n?|Bericht(?:e|s)?|Darstellung(?:en)?|Behauptung(?:en)?|Anschuldigung(?:en)?|Angaben|Meldung(?:en)?"
    r"|Aussagen?|Information(?:en)?)"
)

CUES = Cues(
    language="de",
    abbreviations=words(
        "dr prof bzw ca usw nr st hr fr gen u.a z.b d.h abs art evtl ggf inkl mio mrd vgl jan feb "
        "mär apr jun jul aug sept okt nov dez sog"
    ),
    counts={
        "ein": 1,
        "eine": 1,
        "einer": 1,
        "einem": 1,
        "einen": 1,
        "zwei": 2,
        "zweier": 2,
        "beide": 2,
        "drei": 3,
        "vier": 4,
        "fünf": 5,
        "sechs": 6,
        "sieben": 7,
        "acht": 8,
        "neun": 9,
        "zehn": 10,
        "mehrere": 2,
        "mehreren": 2,
        "mehrerer": 2,
        "einige": 2,
        "einigen": 2,
        "zahlreiche": 2,
        "viele": 2,
        "verschiedene": 2,
    },
    unnamed=r"\w*quellen?|\w*beamte[rnm]?|\w*beamtinnen|\w*personen|\w*person|\w*insidern?|\w*diplomat(?:en)?"
    r"|\w*mitarbeiter(?:n|in|innen)?|\w*kreise[n]?"
    r"|\w*angestellte[rn]?|\w*beschäftigte[rn]?|\w*ingenieur(?:e|en|in|innen)?|\w*offizielle[rn]?|\w*berater(?:n|in|innen)?"
    r"|\w*informant(?:en|in|innen)?"
    r"|\w*soldat(?:en|in)?|\w*offizieren?|\w*zeugen|\w*zeuge|\w*zeugin|\w*techniker(?:n|in|innen)?|\w*vertraute[rn]?"
    r"|\w*experten?|\w*anwohner|\w*bewohner"
    r"|russen|ukrainern?|amerikanern?|europäern?",
    bodies=r"\w*ministerium|\w*ministeriums|\w*behörden?|\w*unternehmen|\w*konzern|\w*firma|\w*betreiber(?:in)?|\w*regierung"
    r"|\w*armee|\w*militär|\w*marine"
    r"|\w*streitkräfte|\w*polizei|\w*agentur|\w*kommission|\w*botschaft|\w*gericht|\w*staatsanwaltschaft|\w*parlament"
    r"|\w*kongress|kreml|weiße[ns]? haus(?:es)?"
    r"|pentagon|\w*amt|\w*rat|\w*ausschuss|\w*sprecher(?:in)?|\w*minister(?:in)?|\w*präsident(?:in)?|\w*kanzler(?:in)?"
    r"|\w*bürgermeister(?:in)?|\w*senator(?:in)?"
    r"|\w*staatssekretär(?:in)?|\w*abgeordneter?|\w*botschafter(?:in)?|\w*general|\w*oberst|\w*chef(?:in)?|\w*direktor(?:in)?"
    r"|\w*gründer(?:in)?|\w*vorstand"
    r"|\w*anwalt|\w*anwältin|\w*verband|\w*partei|\w*fraktion|\w*aufsicht|\w*biografie",
    links=r"des|der|aus|aus dem|im|vom|von|bei|beim|in|in der|für|mit",
    outlet_nouns=r"zeitung|tageszeitung|zeitschrift|blatt|magazin|nachrichtenmagazin|nachrichtenagentur|sender|portal"
    r"|nachrichtenseite|wochenzeitung",
    outlet_names=r"\w*bote|\w*post|\w*blatt|\w*zeitung|\w*kurier|\w*anzeiger|Spiegel|Bild|Nachrichtenwoche|Presse|Standard",
    articles=r"der|die|das|dem|den|des|ein|eine|einem|einer|dieser|diese|ihr|ihre|sein|seine",
    capital_nouns=True,
    saying=r"sagten?|sagt|sagen|berichte(?:t|te|ten|n)|schreibt|schrieb(?:en)?|erklärten?|erklärt|erklären"
    r"|teilten?(?=[^.;]{1,80}\bmit\b)|gab(?:en)?(?=[^.;]{0,60}\ban\b)"
    r"|meldeten?|meldet|melden|behaupte(?:t|te|ten|n)|heißt es|äußerten?|erzählten?|bezeichneten?|bezeichnet|nannten?|nennt"
    r"|betonten?|veröffentlichten?|enthüllten?"
    r"|ergänzten?|räumten?(?=[^.;]{0,60}\bein\b)|schilderten?|(?<=\w )Berichte(?=\s*[.,“])",
    stances=(
        (
            Stance.CANNOT_CORROBORATE,
            "cannot_corroborate",
            (
                r"kein(?:e|en|erlei)?\b[^.;,]{0,90}?\b(?:zurückverfolgen|nachweisen|belegen|feststellen|nachvollziehen|bestätigen)\s+"
                r"(?:kann|können|konnten?|ließen?)"
                r"|(?:kann|können|konnten?)\b[^.;]{0,90}?\b(?:nicht|keine?\b[^.;,]{0,40}?)\s+(?:\w+\s+){0,2}?(?:bestätigen"
                r"|verifizieren|überprüfen|belegen|nachprüfen|zurückverfolgen|erhärten|untermauern)"
                r"|(?:kann|können|konnten?)\s+(?:nicht|keine?)\b[^.;]{0,90}?\b(?:bestätigen|verifizieren|überprüfen|belegen"
                r"|nachprüfen|zurückverfolgen|erhärten)"
                r"|(?:sei|seien|ist|sind|war|waren|sah(?:en)? sich)\s+nicht\s+in\s+der\s+Lage[^.;]{0,90}?\b(?:bestätigen"
                r"|verifizieren|überprüfen|belegen|zu\s+prüfen)"
                r"|(?:lägen|lagen|liegen|gebe|gibt|fand(?:en)?)\b[^.;]{0,40}?\bkeine\s+(?:Hinweise|Belege|Beweise|Anhaltspunkte"
                r"|Erkenntnisse)"
            ),
        ),
        (
            Stance.UNAWARE,
            "unaware",
            (
                r"(?:wüss?ten?|wissen|weiß|wussten?)\s+(?:\w+\s+){0,4}?nichts(?:\s+(?:von|über|davon|darüber))?"
                r"|(?:von|über)\s[^.;]{2,80}?\bnichts\s+(?:gewusst|gehört|geahnt)|nichts\s+(?:davon\s+)?gewusst"
                r"|(?:hätten?|hatten?|haben|habe)\s+keine\s+(?:Kenntnis|Ahnung)|keine\s+Kenntnis(?:\s+von)?"
                r"|(?:sei|ist|war|wäre)(?:en)?\b[^.;]{0,90}?\b(?:nichts|nicht)\s+bekannt|nicht\s+informiert\s+(?:gewesen|worden)"
            ),
        ),
        (
            Stance.NO_REPLY,
            "no_reply",
            (
                r"(?:ließ(?:en)?|lässt)\b[^.;]{0,110}?\bunbeantwortet|(?:antworteten?|reagierten?|antwortet"
                r"|reagiert)\b[^.;]{0,110}?\bnicht\b|nicht\s+(?:geantwortet|reagiert)"
                r"|(?:war|waren)\s+[^.;]{0,60}?nicht\s+(?:zu\s+erreichen|erreichbar)"
            ),
        ),
        (
            Stance.DECLINES,
            "declines",
            (
                r"(?:wollten?|will|wollen|möchten?)\s+sich\b[^.;]{0,90}?\bnicht\b[^.;]{0,60}?\b(?:äußern)|(?:lehnten?|lehnt"
                r"|lehnen)\b[^.;]{0,90}?\b(?:Stellungnahme|Kommentar|Gespräch|Interview)\s+ab"
                r"|(?:lehnten?|lehnt)\s+es\s+ab,?\s[^.;]{0,60}?(?:kommentieren|äußern)|verweigerten?\s+(?:eine|jede|jeden|einen)\s+"
                r"(?:Stellungnahme|Auskunft|Kommentar)"
                r"|(?:wollten?|will)\s[^.;]{0,80}?\bnicht\s+kommentieren"
            ),
        ),
        (
            Stance.DENIES,
            "denies",
            (
                rf"(?:weist|wies|wiesen|weisen)\b[^.;]{{0,110}}?\bzurück|(?:bestreitet|bestreiten|bestritt(?:en)?|dementier(?:t|te"
                rf"|ten|en)|leugnen|leugneten?|leugnet|widersprach(?:en)?|widerspricht)(?:\s[^.;]{{0,40}}?{_CLAIM})?"
            ),
        ),
        (
            Stance.CALLS_FOR_INQUIRY,
            "calls_for_inquiry",
            (
                r"(?:forder(?:t|te|ten|n)|verlang(?:t|te|ten|en)|beantrag(?:t|te|ten))\b[^.;]{0,80}?(?:Untersuchung(?:en)?"
                r"|Untersuchungsausschuss|Aufklärung|Ermittlung(?:en)?|Prüfung|Anhörung)"
                r"|(?:sagten?|erklärten?)\b[^.;]{0,110}?\b(?:müsse|müssten|solle|sollte)\b[^.;]{0,60}?\b(?:untersucht|aufgeklärt)\s+werden"
            ),
        ),
        (Stance.CONFIRMS, "confirms", r"(?<!nicht )bestätig(?:t|te|ten|en)(?!\s+(?:kann|können|konnten?))"),
    ),
    by=(
        (
            Stance.CONFIRMS,
            "confirmed_by",
            (
                r"(?:wurden?|wird|werden|worden)\b[^.;:]{0,60}?\bvon\s+(?P<src>[^.;:,]{3,160}?)\s+bestätigt(?:,\s+sondern\s+auch\s+"
                r"von\s+(?P<more>[^.;:,]{3,80}))?"
            ),
        ),
        (
            Stance.DENIES,
            "denied_by",
            (
                r"(?:wurden?|wird|werden)\b[^.;:]{0,60}?\bvon\s+(?P<src>[^.;:,]{3,160}?)\s+(?:bestritten"
                r"|dementiert|zurückgewiesen)"
            ),
        ),
    ),
    according=(
        (
            "laut",
            (
                r"laut\s+(?P<src>[^.;:,]{3,90}?)(?=[.;:,]|\s+(?:ist|sind|war|waren|wurden?|hat|haben|hatten?|soll|sollen"
                r"|habe|sei|seien|fiel|sperrten?|gibt|gab)\b)"
            ),
        ),
        ("zufolge", r"(?P<src>(?:[\wäöüß’'-]+\s+){1,6}?)zufolge"),
        (
            "nach_angaben",
            (
                r"nach\s+(?:Angaben|Informationen|Darstellung|Auskunft)\s+(?P<src>(?:des|der|von|vom)\s+"
                r"[^.;:,]{3,70}?)(?=[.;:,]|\s+(?:ist|sind|war|waren|wurden?|hat|haben|hatten?|soll|sollen|habe|sei|seien)\b)"
            ),
        ),
        ("heisst_es", r"in\s+(?P<src>[^.;:,]{3,90}?)\s+heißt\s+es"),
    ),
    alone=(
        (Stance.REPORTS, "hedged", r"angeblich|Berichten\s+zufolge|dem\s+Vernehmen\s+nach"),
        (
            Stance.CANNOT_CORROBORATE,
            "unverified",
            (
                r"(?:ließ(?:en)?|lässt|lassen)\s+sich\b[^.;]{0,60}?\bnicht\s+(?:unabhängig\s+"
                r")?(?:überprüfen|bestätigen|verifizieren)"
            ),
        ),
        (Stance.REPORTS, "report_title", r"^Bericht:(?=\s)"),
    ),
    stops=r"dass|ob|weil|wenn|aber|sondern|und|oder|nicht|damit|welche[rsmn]?",
    small=r"von|vom|mit|bei|aus|in|im|an|am|auf|für|zu|zum|zur|nach|über|unter|um|dass|ob|und|oder|aber|als|wie|da|weil|denn"
    r"|wurden?|werden|wird|worden|hat|haben|hatten?|sind|ist|war|waren|sagten?|erklärten?|nur|noch|nicht|auch|er|sie|es"
    r"|wir|ich|dem|sich|einigen?mal|gegen|während|gegenüber|laut|bevor|nachdem|so|was|wer",
    adjective=r"(?:[a-zäöüß-]+(?:e|en|er|em|es)|[A-ZÄÖÜ]{1,4}-[a-zäöüß]+|[A-Z][a-zäöüß]+er)",
    told=r"dem|der|gegenüber|gegenüber dem|gegenüber der",
    pronouns=r"er|sie|es",
    indirect=r"dass",
    back=r"(?:diese|die)\s+(?:Information(?:en)?|Angaben|Darstellung|Meldung|Aussagen?)",
    because=r"da|weil|nachdem|denn",
    opinion=(
        (
            "we_must",
            (
                r"(?:wir|uns)\s+(?:\w+\s+)?(?:müssen|sollten|dürfen|können|drücken|brauchen|hoffen)|(?:müssen|sollten"
                r"|dürfen|können|drücken)\s+wir"
            ),
        ),
        (
            "address",
            (
                r"machen\s+Sie\s+keinen\s+Fehler|wie\s+Sie\s+sich\s+vorstellen|stellen\s+Sie\s+sich\s+vor|^[A-ZÄÖÜ]\w+en\s+"
                r"Sie\b(?!\s+\w+en\b)"
            ),
        ),
        (
            "ought",
            (
                r"(?:muss|müssen|sollten?|gehör(?:t|en))\b[^.;]{0,120}?\b(?:entscheiden|fordern|aufgedeckt|untersucht"
                r"|aufgeklärt|gestoppt|zurücktreten|werden|vor\s+(?:ein|den|das|die)\w*\s+\w*(?:Ausschuss|ausschuss|Gericht|Kongress))"
            ),
        ),
        (
            "ought_not",
            (
                r"(?:darf|kann|dürfen)\s+(?:das\s+|so\s+|es\s+)?nicht\s+(?:unter\s+den\s+Teppich|hingenommen|geduldet"
                r"|sein)|das\s+Letzte,?\s+was|hätte\s+[^.;]{0,60}?(?:nachdenken|denken|wissen)\s+sollen"
            ),
        ),
        (
            "judges",
            (
                r"schlimm\s+genug|(?:wäre|ist)\s+das\s+schlimm|ungeheuerlich(?:er)?|Skandal|Armutszeugnis|Schande"
                r"|unverzeihlich|das\s+ist\s+ernst|unglücklicherweise\s+für\s+uns|beschämend|empörend"
            ),
        ),
        (
            "foresees",
            (
                r"wenn\s+\w+\s+[^.;]{0,40}?(?:gewinnt|siegt|verliert),?\s+wird|nur\s+(?:noch\s+)?schlimmer\s+werden|wird\s+"
                r"belohnt\s+werden|keine\s+Rolle\s+mehr\s+spielen"
            ),
        ),
        (
            "hope",
            (
                r"man\s+kann\s+nur\s+hoffen|bleibt\s+(?:nur\s+)?zu\s+hoffen|meiner\s+Meinung\s+nach|ich\s+(?:glaube|meine"
                r"|finde|hoffe)|wirft\s+[^.;]{0,40}?Fragen\s+auf"
            ),
        ),
    ),
    service=r"Starlink(?:-\w+)?|\w*Terminals?|\w*Satelliten(?:netz|dienst|verbindung|internet)\w*|Dienst|Netz|Verbindung"
    r"|Geräte|Abdeckung",
    acts=r"(?:wurden?|worden|sind|ist)\b[^.;,]{0,90}?\b(?:gefunden|abgeschaltet|gesperrt|unterbrochen|deaktiviert|blockiert"
    r"|beschlagnahmt|freigeschaltet|entdeckt)"
    r"|verweigerten?\b|sperrten?\b|schalteten?\b(?=[^.;]{0,60}\bab\b)|(?:hat|haben|hatte"
    r"|hatten)\b[^.;,]{0,90}?\b(?:verweigert|abgeschaltet|gesperrt|deaktiviert)",
    doubt=r"würden?|könnten?|sollten?|müssen|muss|müssten?|ob|hätten?|warum",
)
