"""How a language writes numbers, dates and plurals. Instants are UTC, and say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from groundrule.instant import MAX_NS, NS_PER_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of one language.

    Attributes:
        language: BCP 47 tag; decides the plural.
        words: table `forms` of the language: months, moment, date, span, since, until, thousands, decimal, never.
    """

    language: str
    words: Mapping[str, str]

    def number(self, value: int) -> str:
        """Write a whole number.

        Example:
            >>> Forms("en", {"thousands": ","}).number(-1234567)
            '-1,234,567'
        """
        return f"{value:,}".replace(",", self.words["thousands"]) if abs(value) >= 10_000 or self.language == "en" else str(value)

    def decimal(self, value: float, places: int = 1) -> str:
        """Write a number with a fraction."""
        return f"{value:.{places}f}".replace(".", self.words["decimal"])

    def choose(self, number: int, forms: Sequence[str]) -> str:
        """Return the plural form that goes with a number: one, other; in Ukrainian one, few, many.

        Example:
            >>> [Forms("uk", {}).choose(n, ("термінал", "термінали", "терміналів")) for n in (1, 2, 5, 11, 21)]
            ['термінал', 'термінали', 'терміналів', 'терміналів', 'термінал']
        """
        number = abs(number)
        if self.language != "uk":
            place = 0 if number == 1 else 1
        elif number % 10 == 1 and number % 100 != 11:
            place = 0
        else:
            place = 1 if number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14) else 2
        return forms[min(place, len(forms) - 1)]

    def date(self, instant_ns: int) -> str:
        """Write the day of an instant [ns since 1970, UTC]."""
        at = _moment(instant_ns)
        month = self.words["months"].split()[at.month - 1]
        return _put(self.words["date"], day=str(at.day), month=month, year=str(at.year))

    def day(self, instant_ns: int) -> str:
        """Write the day of an instant where there is little room."""
        at = _moment(instant_ns)
        month = self.words["months"].split()[at.month - 1]
        return _put(self.words["day"], day=str(at.day), month=month, number=f"{at.month:02}", year=str(at.year))

    def parts(self, instant_ns: int) -> tuple[str, str, str]:
        """Return day, month and year of an instant, as they stand in a date."""
        at = _moment(instant_ns)
        day = self.words["date"].partition("{day}")[2][:1].strip()
        return f"{at.day}{day}", self.words["months"].split()[at.month - 1], str(at.year)

    def clock(self, instant_ns: int, *, seconds: bool = False) -> str:
        """Write the time of day of an instant, in hours and minutes, cut and not rounded."""
        at = _moment(instant_ns)
        return f"{at.hour:02}:{at.minute:02}" + (f":{at.second:02}" if seconds else "")

    def moment(self, instant_ns: int, *, seconds: bool = False) -> str:
        """Write an instant."""
        if instant_ns == MAX_NS:
            return self.words["never"]
        return _put(self.words["moment"], date=self.date(instant_ns), time=self.clock(instant_ns, seconds=seconds))

    def span(self, start_ns: int | None, end_ns: int | None) -> str:
        """Write a stretch of days, open where one end is not known."""
        if start_ns is None:
            return "–" if end_ns is None else _put(self.words["until"], end=self.date(end_ns))
        if end_ns is None:
            return _put(self.words["since"], start=self.date(start_ns))
        if start_ns // (86_400 * NS_PER_S) == end_ns // (86_400 * NS_PER_S):
            return self.date(start_ns)
        return _put(self.words["span"], start=self.date(start_ns), end=self.date(end_ns))

    def lasting(self, duration_ns: int) -> str:
        """Write how long something lasts, in the largest unit that it fills at least twice, or once and exactly."""
        for name, seconds in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            count = duration_ns // (seconds * NS_PER_S)
            if count >= 2 or (count == 1 and duration_ns % (seconds * NS_PER_S) == 0):
                return f"{self.number(count)} {self.choose(count, self.words[name].split('|'))}"
        count = duration_ns // NS_PER_S
        return f"{self.number(count)} {self.choose(count, self.words['seconds'].split('|'))}"


def _moment(instant_ns: int) -> datetime:
    return _EPOCH + timedelta(seconds=instant_ns // NS_PER_S)


def _put(template: str, **values: str) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template
