"""Whether a sentence says that service works or that it does not: just enough to see that a translation turned it round.

Words of state are counted by clause, and a negation before one turns it. A sentence that says both, or neither, has no polarity:
then nothing can be said, and nothing is.
"""

from __future__ import annotations

import re

_WORKS = (
    r"work(?:s|ing|ed)?|function(?:s|ing|ed)?|operat(?:es?|ing|ional)|active|activated|allowed|permitted|enabled|connected"
    r"|switched on|restored|available|serves?|served"
    r"|funktionier(?:t|en|ten?)|aktiv(?:iert)?|freigeschaltet|erlaubt|zugelassen|verfügbar|eingeschaltet|in betrieb"
    r"|працю(?:є|ють|вав|вали|вало)|функціону(?:є|ють)|активн[іиа]|увімкнен[оіа]|дозволен[оіа]|доступн[іа]|підключен[оіа]"
    r"|работа(?:ет|ют|л|ли|ло)|функциониру(?:ет|ют)|разрешен[ыоа]|включен[ыоа]"
    r"|fonctionne(?:nt)?|fonctionnait|fonctionnaient|marche(?:nt)?|activée?s?|autorisée?s?|actifs?|actives?|opérationnel(?:le)?s?"
    r"|funciona(?:n|ba|ban|ron)?|funcionó|activ[oa]s?|activad[oa]s?|permitid[oa]s?|autorizad[oa]s?|operativ[oa]s?|habilitad[oa]s?"
)
_BLOCKED = (
    r"block(?:ed|s|ing)?|disabled|disconnect(?:ed|s)|denied|refused|cut off|switched off|shut (?:off|down)|deactivated"
    r"|suspended|barred|banned|offline"
    r"|blockiert|gesperrt|abgeschaltet|deaktiviert|verweigert|ausgeschaltet|verboten|getrennt|lahmgelegt"
    r"|заблокован[іоаийх]+|заблокували|вимкнен[іоа]|вимкнули|відключен[іоа]|відключили|заборонен[іоа]|обмежен[іоа]"
    r"|заблокирован[ыоа]|отключен[ыоа]|отключили|запрещен[ыоа]|выключен[ыоа]"
    r"|bloquée?s?|désactivée?s?|coupée?s?|interdite?s?|refusée?s?|suspendue?s?|hors service"
    r"|bloquead[oa]s?|desactivad[oa]s?|cortad[oa]s?|prohibid[oa]s?|denegad[oa]s?|suspendid[oa]s?"
)
_NOT = (
    r"not|no longer|never|cannot|n't|nicht|kein(?:e|er|es|em|en)?|nie|niemals|не|ні|ніколи|нет|ne|n['’]|pas|aucune?|jamais"
    r"|no|ningun[oa]?s?|nunca|sin"
)
_STATE = re.compile(rf"(?<!\w)(?:(?P<on>{_WORKS})|(?P<off>{_BLOCKED}))(?!\w)", re.IGNORECASE)
_NEGATION = re.compile(rf"(?:(?<!\w)(?:{_NOT})|n't)(?!\w)", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[.;:,!?]|\s(?:and|but|while|whereas|und|aber|während|та|і|й|а|але|тоді|и|но|et|mais|tandis|y|pero|mientras)\s",
    re.IGNORECASE,
)
_NEAR_WORDS = 4


def polarity(text: str) -> int:
    """Return 1 if a sentence says that something works or is allowed, -1 if that it is blocked or denied, 0 if unclear.

    Example:
        >>> polarity("terminals on the list work"), polarity("terminals on the list are blocked")
        (1, -1)
        >>> polarity("those on the list work and the others are blocked")
        0
    """
    found: set[int] = set()
    for clause in _CLAUSE.split(text):
        for state in _STATE.finditer(clause or ""):
            sign = 1 if state["on"] else -1
            before = " ".join(clause[: state.start()].split()[-_NEAR_WORDS:])
            after = " ".join(clause[state.end() :].split()[:2])
            turned = (
                len(_NEGATION.findall(before)) > 0 or re.match(r"(?:nicht|pas)\b", after, re.IGNORECASE) is not None
            )
            found.add(-sign if turned else sign)
    return found.pop() if len(found) == 1 else 0
