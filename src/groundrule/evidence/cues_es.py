"""Cues of Spanish."""

from __future__ import annotations

from groundrule.evidence.cues import Cues, words
from groundrule.evidence.report import Stance

CUES = Cues(
    language="es",
    abbreviations=words("sr sra srta dr dra ud uds etc núm art pág ee.uu ee uu aprox gral"),
    counts={
        "un": 1,
        "una": 1,
        "dos": 2,
        "tres": 3,
        "cuatro": 4,
        "cinco": 5,
        "seis": 6,
        "siete": 7,
        "ocho": 8,
        "nueve": 9,
        "diez": 10,
        "varios": 2,
        "varias": 2,
        "algunos": 2,
        "algunas": 2,
        "numerosas": 2,
        "numerosos": 2,
        "ambos": 2,
        "ambas": 2,
        "diversas": 2,
    },
    unnamed=r"fuentes?|funcionari[oa]s?|diplomátic[oa]s?|emplead[oa]s?|ingenier[oa]s?|trabajador(?:es|as?)?|asesor(?:es|as?)?"
    r"|testigos?|oficial(?:es)?|colaborador(?:es|as?)?"
    r"|allegad[oa]s?|personas?|expert[oa]s?|agentes?|técnic[oa]s?|militares",
    bodies=r"ministerio|ministr[oa]|gobierno|empresa|compañía|operador(?:a)?|ejército|armada|policía|autoridad(?:es)?"
    r"|regulador|comisión|embajada|tribunal|fiscalía"
    r"|parlamento|congreso|senado|kremlin|casa blanca|pentágono|tesoro|oficina|consejo|comité|portavoz|vocero|vocera"
    r"|president[ea]|alcalde|alcaldesa|gobernador(?:a)?"
    r"|senador(?:a)?|diputad[oa]|secretari[oa](?: de estado)?|embajador(?:a)?|general|coronel|director(?:a)?|fundador(?:a)?"
    r"|abogad[oa]|asociación|sindicato",
    links=r"de|del|de la|de los|en|con|con conocimiento de|cercan[oa]s? a|familiarizad[oa]s? con",
    outlet_nouns=r"diario|periódico|semanario|revista|agencia(?: de noticias)?|cadena|portal",
    outlet_names=r"Correo|Vanguardia|Nación|Razón",
    articles=r"el|la|los|las|un|una|este|esta|estos|su|sus",
    capital_nouns=False,
    saying=r"dij(?:o|eron)|dice(?:n)?|afirm(?:ó|aron|a|an)|inform(?:ó|aron|a|an)|declar(?:ó|aron|a|an)|señal(?:ó|aron|a|an)"
    r"|explic(?:ó|aron|a|an)|asegur(?:ó|aron|a|an)|public(?:ó|aron|a|an)"
    r"|revel(?:ó|aron|a|an)|escrib(?:ió|ieron|e|en)|manifest(?:ó|aron)|añad(?:ió|ieron|e|en)|indic(?:ó|aron|a|an)|sostuv(?:o"
    r"|ieron)|sostiene(?:n)?|report(?:ó|aron|a|an)|contó|contaron|calific(?:ó|aron|a|an)",
    stances=(
        (
            Stance.CANNOT_CORROBORATE,
            "cannot_corroborate",
            (
                r"no\s+(?:pudo|pudieron|ha(?:n)?\s+podido|puede(?:n)?|est(?:á|án|aba|aban)\s+en\s+condiciones\s+de|logr(?:ó|aron))\s+"
                r"(?:\w+\s+){0,2}?(?:confirmar|verificar|corroborar|comprobar|rastrear)"
                r"|no\s+(?:halló|hallaron|encontr(?:ó|aron)|tiene(?:n)?)\s+(?:\w+\s+)?(?:pruebas|indicios|evidencias?)"
            ),
        ),
        (
            Stance.UNAWARE,
            "unaware",
            (
                r"no\s+(?:ten(?:er|ía|ían)|tien(?:e|en)|tuv(?:o|ieron))\s+(?:constancia|conocimiento|noticias?)|desconoc(?:er|ía|ían"
                r"|e|en)|no\s+sab(?:er|ía|ían|e|en)\s+(?:nada|de)|no\s+est(?:ar|aba|aban)\s+(?:al\s+tanto|enterad[oa]s?)|nunca\s+"
                r"(?:oyó|oyeron|había(?:n)?\s+oído)\s+hablar"
            ),
        ),
        (
            Stance.NO_REPLY,
            "no_reply",
            (
                r"no\s+(?:respond(?:ió|ieron)|contest(?:ó|aron)|ha(?:n)?\s+(?:respondido|contestado))"
                r"|dej(?:ó|aron)\s+sin\s+(?:respuesta|contestar)"
            ),
        ),
        (
            Stance.DECLINES,
            "declines",
            (
                r"(?:rehus(?:ó|aron)|declin(?:ó|aron)|se\s+neg(?:ó|aron)\s+a|evit(?:ó|aron)|no\s+quis(?:o|ieron))\s+(?:a\s+)?"
                r"(?:hacer\s+(?:\w+\s+)?(?:comentarios|declaraciones)|comentar|pronunciarse|responder|hablar)"
            ),
        ),
        (
            Stance.DENIES,
            "denies",
            (
                r"nieg(?:a|an)|neg(?:ó|aron)\s+(?:que|haber|ser|tener|estas?|estos?|las|los|la|el|toda?)|desmint(?:ió|ieron)"
                r"|desmiente(?:n)?|rechaz(?:ó|aron|a|an)\s+(?:\w+\s+){0,2}?(?:acusaci\w+|versi\w+|afirmaci\w+|informaci\w+)|ha(?:n)?\s+"
                r"(?:negado|desmentido)"
            ),
        ),
        (
            Stance.CALLS_FOR_INQUIRY,
            "calls_for_inquiry",
            (
                r"(?:pid(?:ió|ieron|e|en)|exig(?:ió|ieron|e|en)|reclam(?:ó|aron|a|an)|solicit(?:ó|aron|a|an)|demand(?:ó|aron|a|an))\s+"
                r"(?:\w+\s+){0,3}?(?:investigaci(?:ón|ones)|comisión\s+investigadora|auditoría|que\s+se\s+investigue)"
            ),
        ),
        (Stance.CONFIRMS, "confirms", r"(?<!no )confirm(?:ó|aron|a|an)|ha(?:n)?\s+confirmado|corrobor(?:ó|aron|a|an)"),
    ),
    by=(
        (
            Stance.CONFIRMS,
            "confirmed_by",
            r"(?:confirmad[oa]s?|corroborad[oa]s?)\s+por\s+(?P<src>[^.;:]{3,140}?)(?=[.;:,]|$)",
        ),
        (
            Stance.REPORTS,
            "reported_by",
            r"(?:publicad[oa]s?|revelad[oa]s?)\s+por\s+(?P<src>[^.;:,]{3,100}?)(?=[.;:,]|$)",
        ),
    ),
    according=(
        ("segun", r"según\s+(?P<src>[^.;:,]{3,100}?)(?=[.;:,]|$)"),
        ("de_acuerdo", r"de\s+acuerdo\s+con\s+(?P<src>[^.;:,]{3,100}?)(?=[.;:,]|$)"),
    ),
    alone=(
        (Stance.REPORTS, "hedged", r"presuntamente|supuestamente|al\s+parecer"),
        (
            Stance.CANNOT_CORROBORATE,
            "unverified",
            (
                r"no\s+(?:ha|han|pudo|pudieron)\s+(?:podido\s+)?ser\s+(?:verificad[oa]s?"
                r"|confirmad[oa]s?)"
            ),
        ),
    ),
    stops=r"que|si|porque|pero|cuando|y|o|cuyo|cuya|donde",
    small=r"por|de|del|a|al|en|con|sin|para|que|y|e|o|pero|si|es|son|ha|han|había|habían|fue|fueron|no|se|lo|le|les|él|ella"
    r"|ellos|según|porque|como|dijo|dijeron|su",
    adjective=r"[a-záéíóúñü-]+",
    told=r"a|al|a la|con",
    pronouns=r"él|ella|ellos|ellas",
    indirect=r"que",
    back=r"(?:esta|esa|estas|la)\s+(?:información|versión|afirmación|noticia)",
    because=r"porque|ya que|pues",
    opinion=(
        ("we_must", r"(?:no\s+)?(?:podemos|debemos|deberíamos|tenemos\s+que|merecemos|necesitamos)"),
        (
            "ought",
            (
                r"(?:debe|deben|debería|deberían)\s+(?:\w+\s+)?(?:dar\s+explicaciones|responder|dimitir|ser|rendir"
                r"|comparecer|investigar)|hay\s+que\s+(?:exigir|investigar|parar|acabar)"
            ),
        ),
        (
            "judges",
            (
                r"una?\s+(?:vergüenza|escándalo|auténtico\s+escándalo)|escandalos[oa]|vergonzos[oa]|inadmisible"
                r"|intolerable|imperdonable"
            ),
        ),
        (
            "hope",
            (
                r"(?:solo\s+)?cabe\s+esperar\s+que|en\s+mi\s+opinión|(?:yo\s+)?creo\s+que|ojalá|no\s+nos\s+engañemos|que\s+"
                r"nadie\s+se\s+engañe"
            ),
        ),
        ("foresees", r"no\s+hará\s+más\s+que\s+empeorar|si\s+(?:gana|vence)\s+\w+"),
    ),
    service=r"servicios?|terminal(?:es)?|enlace|conexión|cobertura|starlink|red|aparatos?|internet",
    acts=r"(?:fue|fueron|ha\s+sido|han\s+sido|había\s+sido)\s+(?:\w+\s+)?(?:cortad[oa]s?|interrumpid[oa]s?|suspendid[oa]s?"
    r"|desactivad[oa]s?|bloquead[oa]s?|denegad[oa]s?|hallad[oa]s?|encontrad[oa]s?|incautad[oa]s?|activad[oa]s?)"
    r"|(?:cortó|desactivó|bloqueó|negó|denegó|suspendió)\s+(?=(?:\S+\s+){0,5}?(?:servicio|terminales|acceso|starlink|conexión))",
    doubt=r"si|podría|podrían|debería|deberían|sería|debe|puede|habría|habrían",
)
