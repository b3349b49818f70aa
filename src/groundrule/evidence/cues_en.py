"""Cues of English."""

from __future__ import annotations

from groundrule.evidence.cues import Cues, words
from groundrule.evidence.report import Stance

_CLAIM = (
    r"(?:th(?:e|is|at|ose|ese)|any|all|such|its|his|her|their)\s+(?:\w+\s+){0,2}?(?:claims?|reports?|accounts?"
    r"|allegations?|accusations?|story|assertions?|statements?|version)"
)

CUES = Cues(
    language="en",
    abbreviations=words(
        "mr mrs ms dr prof gen col lt sen rep gov st no vs jan feb mar apr jun jul aug sep sept "
        "oct nov dec inc ltd co corp u.s u.k"
    ),
    counts={
        "a": 1,
        "an": 1,
        "one": 1,
        "another": 1,
        "two": 2,
        "both": 2,
        "three": 3,
        "four": 4,
        "five": 5,
        "six": 6,
        "seven": 7,
        "eight": 8,
        "nine": 9,
        "ten": 10,
        "several": 2,
        "multiple": 2,
        "some": 2,
        "a number of": 2,
        "a dozen": 12,
        "many": 2,
    },
    unnamed=r"officials?|sources?|persons?|people|insiders?|diplomats?|aides?|employees?|staffers?|engineers?|advis[eo]rs?"
    r"|lawmakers?|contractors?"
    r"|analysts?|witness(?:es)?|technicians?|executives?|soldiers?|officers?|residents|experts?|managers?|workers?",
    bodies=r"ministry|department|company|firm|operator|government|administration|army|military|navy|air force|police"
    r"|authorit(?:y|ies)|agency"
    r"|regulator|commission|embassy|court|prosecutors?|parliament|congress|senate|kremlin|white house|pentagon|treasury"
    r"|office|council|committee"
    r"|spokes(?:man|woman|person|people)|minister|president|prime minister|mayor|governor|senator|secretary|ambassador"
    r"|general|colonel|commander"
    r"|director|chief executive|ceo|founder|chairman|chairwoman|chair|lawyers?|representative|deputy|union|association|foundation",
    links=r"of|from|for|in|at|with|close to|familiar with|briefed on|inside|within",
    outlet_nouns=r"newspaper|paper|magazine|news agency|newswire|broadcaster|daily|weekly|news site|outlet",
    outlet_names=r"Gazetteer",
    articles=r"the|a|an|its|their|his|her",
    capital_nouns=False,
    saying=r"said|says|told|tells|report(?:s|ed)|wrote|writes|stated|states|claim(?:s|ed)|alleg(?:es|ed)|add(?:s|ed)"
    r"|publish(?:es|ed)|reveal(?:s|ed)"
    r"|announc(?:es|ed)|explain(?:s|ed)|describ(?:es|ed)|called (?:it|him|her|them)|recalled|testified|acknowledg(?:es|ed)"
    r"|(?:has|have) (?:said|told|reported|written|claimed|alleged)",
    stances=(
        (
            Stance.CANNOT_CORROBORATE,
            "cannot_corroborate",
            (
                r"(?:(?:was|were|is|are) (?:not able|unable|not in a position)|could not|cannot|can't|couldn't|has(?: not"
                r"|n't) been able|have(?: not|n't) been able)"
                r" (?:to )?(?:(?:independently|immediately) )?(?:corroborate|verify|confirm|trace|substantiate|establish)"
                r"|(?:found|has|have|had) no (?:evidence|indication|proof|record) (?:of|that|for)"
            ),
        ),
        (
            Stance.UNAWARE,
            "unaware",
            (
                r"(?:(?:was|were|is|are|been) (?:not aware|unaware|never (?:told|informed))|(?:wasn't|weren't|isn't|aren't) aware"
                r"|(?:had|has|have) (?:no knowledge|not heard|never heard|no information)|(?:knew|knows|know) nothing|did(?: not"
                r"|n't) know)(?: of| about)?"
            ),
        ),
        (
            Stance.NO_REPLY,
            "no_reply",
            (
                r"(?:did|does|do|has|have|had)(?: not|n't) (?:immediately )?(?:respond(?:ed)?|repl(?:y|ied)|return(?:ed)?"
                r"|answer(?:ed)?)\b(?! the question of)"
                r"|(?:left|leaves) (?:\w+ ){0,4}(?:requests?|questions?|inquiries|emails?) unanswered|gave no (?:answer|reply)"
            ),
        ),
        (
            Stance.DECLINES,
            "declines",
            (
                r"(?:declin(?:es|ed)|refus(?:es|ed)) (?:to (?:comment|discuss|say|answer|be interviewed)|(?:further |any )?comment)"
                r"|would(?: not|n't) (?:comment|discuss|say)"
                r"|had no comment|gave no comment"
            ),
        ),
        (
            Stance.DENIES,
            "denies",
            (
                rf"(?:den(?:ies|ied)|disput(?:es|ed)|reject(?:s|ed)|dismiss(?:es|ed)|refut(?:es|ed)|contest(?:s|ed)) (?:that\b"
                rf"|having|knowing|being|doing|it\b|{_CLAIM})"
                r"|(?:has|have|had) denied|called (?:\w+ ){1,4}?(?:false|untrue|inaccurate|a fabrication|baseless)"
            ),
        ),
        (
            Stance.CALLS_FOR_INQUIRY,
            "calls_for_inquiry",
            (
                r"(?:call(?:s|ed|ing) for|demand(?:s|ed|ing)|urg(?:es|ed)|request(?:s|ed)|seeks"
                r"|sought)(?: \w+){0,4}? (?:investigations?|inquir(?:y|ies)|enquir(?:y|ies)|probes?|hearings?)"
                r"|(?:said|says|told|argued|insisted)\b[^.;]{0,90}?\b(?:should|must|ought to) be (?:\w+ )?investigated"
            ),
        ),
        (
            Stance.CONFIRMS,
            "confirms",
            r"confirm(?:s|ed)|corroborat(?:es|ed)|verified|(?:has|have|had) confirmed|acknowledged that",
        ),
    ),
    by=(
        (
            Stance.CONFIRMS,
            "confirmed_by",
            (
                r"(?:confirmed|corroborated) (?:\w+ )?by (?P<src>[^.;:]{3,160}?)(?=[.;:]|, (?:which"
                r"|who|but|and|according)|$)"
            ),
        ),
        (
            Stance.DENIES,
            "denied_by",
            r"(?:was|were|been) (?:denied|rejected|disputed) by (?P<src>[^.;:]{3,160}?)(?=[.;:,]|$)",
        ),
        (
            Stance.REPORTS,
            "reported_by",
            r"(?:first )?(?:reported|published|revealed) by (?P<src>[^.;:,]{3,120}?)(?=[.;:,]|$)",
        ),
    ),
    according=(
        (
            "according_to",
            (
                r"according to (?P<src>[^.;:,]{3,120}?)(?=[.;:,]"
                r"|$)"
            ),
        ),
        ("citing", r"citing (?P<src>[^.;:,]{3,120}?)(?=[.;:,]|$)"),
    ),
    alone=(
        (Stance.REPORTS, "hedged", r"reportedly|allegedly|is said to have|are said to have"),
        (Stance.CANNOT_CORROBORATE, "unverified", r"could not be (?:independently )?(?:verified|confirmed)"),
        (Stance.REPORTS, "report_title", r"(?:^|(?<=\n))report:(?=\s)"),
    ),
    stops=r"that|which|who|whom|if|whether|because|but|when|while|and|or|not|said|told",
    small=r"by|of|to|from|with|for|in|on|at|as|that|which|who|and|or|but|when|while|said|told|says|was|were|is|are|has|have"
    r"|had|been|be|be?fore|after|than|about|because|since|if|not|it|he|she|they|we|him|her|them|will|would|could|only"
    r"|also|who|whose|though|although|so",
    adjective=r"[A-Z]?[a-z’'-]+|[A-Z]{2,4}",
    told=r"told|to|with",
    pronouns=r"he|she|they|it|who",
    indirect=r"that",
    back=r"(?:this|that|the) (?:information|report|account|claim|statement)",
    because=r"because|since|as|after",
    opinion=(
        ("we_must", r"we (?:must|should|need to|ought to|have to|cannot|can't|deserve|all know|hope)"),
        (
            "address",
            (
                r"make no mistake|let(?:'s|’s| us) be (?:clear|honest)|imagine|ask yourself|as you can imagine"
                r"|drag (?:him|her|them|the)"
            ),
        ),
        (
            "ought",
            r"(?<!said )(?<!says )(?:ought to|(?:must|should) (?:be|face|answer|resign|demand|never|finally|now|have|go|stop))",
        ),
        (
            "judges",
            (
                r"scandal(?:ous)?|disgrace(?:ful)?|shame(?:ful)?|outrage(?:ous)?|beyond me|appalling|unforgivable"
                r"|bad enough|a farce|cowardly"
            ),
        ),
        ("foresees", r"will (?:only|surely|certainly|never|no doubt|undoubtedly) |if \w+ wins\b|fingers crossed"),
        ("first_person", r"in my (?:view|opinion)|i (?:believe|think|hope|fear)|if you ask me"),
    ),
    service=r"satellite (?:service|link|internet|network)|service|coverage|terminals?|dish(?:es)?|starlink|connections?|internet",
    acts=r"(?:was|were|has been|have been|had been) (?:\w+ )?(?:switched off|shut off|turned off|cut(?: off)?|disabled"
    r"|blocked|suspended|denied|refused|deactivated|activated|found|seized|discovered|restored)"
    r"|(?:denied|refused|switched off|shut off|disabled|blocked|suspended|deactivated) (?=(?:\w+ ){0,6}?(?:service|coverage"
    r"|terminals?|starlink|access|internet))",
    doubt=r"would|could|should|might|may|if|whether|must|will|can",
)
