"""Rulebooks: as text that a lawyer reads, compared, checked, analysed, tested; and who another one would change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.jobs import Job
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.api.routes.jobs import JobView, view_of
from groundrule.api.times import instant_of, when
from groundrule.errors import GroundruleError, StoreError
from groundrule.pipeline.emergency_overlay import Clocks, overlay_now
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of, rulebook_of
from groundrule.pipeline.live import Live
from groundrule.pipeline.whatif import what_if
from groundrule.rules.analyse import analyse
from groundrule.rules.cases import run_cases
from groundrule.rules.compare import compare
from groundrule.rules.model import Rule, Rulebook
from groundrule.rules.nodes import RulebookErrors
from groundrule.rules.text import load_rulebook, read_rulebook
from groundrule.rules.written import written_rules
from groundrule.store.home import Home
from groundrule.store.policy import history

MAX_TEXT: Final = 1_000_000
MAX_CHANGED: Final = 5_000
"""Terminals that an answer about another rulebook lists; the counts are of all."""


class BookRow(msgspec.Struct):
    """A rulebook of the home, or a shipped one.

    Attributes:
        id, version, title: as it names itself.
        digest: of its canonical form.
        in_force: it decides now.
        from_: since when it was in force, where an enactment says so.
        rules: how many it has.
    """

    id: str
    version: int
    title: str
    digest: str
    in_force: bool
    from_: str | None = msgspec.field(name="from")
    rules: int


class RuleView(msgspec.Struct):
    """One rule.

    Attributes:
        text: as it is written; empty for whoever may not see limits.
        line: where it begins in the rulebook, from 1; 0 with no text.
        basis, requested_by, source, date: its authority.
        illustrative: an example, and no statement of fact.
    """

    id: str
    title: str
    tier: str
    outcome: str
    reason: str
    state: str
    emergency: bool
    effective_from: str | None
    effective_until: str | None
    basis: str
    requested_by: str | None
    source: str | None
    date: str | None
    illustrative: bool
    appeal: str | None
    text: str
    line: int


class Book(msgspec.Struct):
    """A rulebook that can be read.

    Attributes:
        text: the whole of it; empty for whoever may not see limits.
        tiers: first decides.
    """

    id: str
    version: int
    title: str
    operator: str
    digest: str
    in_force: bool
    notice: str | None
    default_outcome: str
    default_reason: str
    tiers: list[str]
    rules: list[RuleView]
    text: str


class Difference(msgspec.Struct):
    """One difference of two rulebooks, in words."""

    kind: str
    subject: str
    id: str
    sentence: str
    affects_past: bool


class Draft(msgspec.Struct, forbid_unknown_fields=True):
    """The text of a rulebook.

    Attributes:
        text: YAML.
        cases: YAML of cases that must hold, where there are some.
    """

    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    cases: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] | None = None


class Question(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What if another rulebook held?

    Attributes:
        rulebook: its text, its digest, or the name of a shipped one.
        from_, until: of the observations; all of them if not given.
        as_of: apply both rulebooks as of this time.
    """

    rulebook: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
    from_: str | None = None
    until: str | None = None
    as_of: str | None = None


class Mistake(msgspec.Struct):
    """Something in a rulebook that cannot be used."""

    line: int
    column: int
    message: str
    help: str | None


class Checked(msgspec.Struct):
    """What reading a rulebook found.

    Attributes:
        good: it can be used.
        id, version, digest, rules: of a good one.
        mistakes: each with its place.
        differences: from the rulebook in force.
        cases: how many were run.
        failed: cases that do not hold, in words.
    """

    good: bool
    id: str | None
    version: int | None
    digest: str | None
    rules: int
    mistakes: list[Mistake]
    differences: list[Difference]
    cases: int
    failed: list[str]


@get("/v1/rulebooks", opt={"permission": "rulebooks:read"}, summary="Rulebooks that are or were in force", sync_to_thread=True)
def rulebooks(live: GivenLive) -> list[BookRow]:
    """List the rulebook in force first, then those that the home keeps."""
    now = live.basis.rulebook.digest
    since = {each.rulebook: each.enacted_at_ns for each in history(live.home)}
    found = []
    for path in sorted(live.home.rulebooks.glob("*.yaml")):
        try:
            book = rulebook_of(live.home, f"sha256:{path.stem}")
        except GroundruleError:
            continue  # readiness names a damaged one; the others stay readable
        at = since.get(book.digest)
        found.append(
            BookRow(book.id, book.version, book.title, book.digest, book.digest == now, None if at is None else when(at), len(book.rules))
        )
    return sorted(found, key=lambda each: (not each.in_force, each.id, -each.version, each.digest))


@get("/v1/rulebooks/{digest:str}", opt={"permission": "rulebooks:read"}, summary="A rulebook, rule by rule", sync_to_thread=True)
def rulebook(live: GivenLive, principal: GivenPrincipal, digest: Id) -> Book:
    """Give a rulebook by its digest, or the one `in-force`."""
    return _book(_found(live, digest), live.basis.rulebook.digest, whole=_sees_limits(principal))


@get(
    "/v1/rulebooks/{before:str}/diff/{after:str}", opt={"permission": "rulebooks:compare"}, summary="What differs, in words",
    sync_to_thread=True,
)  # fmt: skip
def diff(live: GivenLive, principal: GivenPrincipal, before: Id, after: Id) -> list[Difference]:
    """Compare two rulebooks; a difference that can change the decision of a past moment is marked."""
    if not _sees_limits(principal):
        help_ = "read the rules' legal bases in each rulebook"
        raise Refused(403, "differences of rules name their limits", code="not_allowed", help=help_)
    return _differences(_found(live, before), _found(live, after))


@post(
    "/v1/rulebooks/check", opt={"permission": "rulebooks:check"}, status_code=200, request_max_body_size=3 * MAX_TEXT,
    summary="Can this rulebook be used?",
)  # fmt: skip
async def check(data: JSONBody[Draft], live: GivenLive) -> Checked:
    """Read a rulebook, compare it with the one in force, and run cases."""
    return await asyncio.to_thread(_checked, data, live.basis.rulebook)


@post(
    "/v1/rulebooks/analyse", opt={"permission": "rulebooks:check"}, status_code=202, request_max_body_size=3 * MAX_TEXT,
    summary="What holds for every possible decision?",
)  # fmt: skip
async def analyse_(data: JSONBody[Draft], service: GivenService, principal: GivenPrincipal) -> JobView:
    """Look for rules that can never apply, contradictions and gaps, and prove or refute the declared guarantees."""
    book = _read(data.text)
    return view_of(service.jobs.start("analyse", principal, lambda _: _analysed(book)))


@post(
    "/v1/whatif", opt={"permission": "whatif:run"}, status_code=202, request_max_body_size=3 * MAX_TEXT,
    summary="Who would change under another rulebook?",
)  # fmt: skip
async def whatif(data: JSONBody[Question], live: GivenLive, service: GivenService, principal: GivenPrincipal) -> JobView:
    """Decide the history of the home again under another rulebook; changes nothing."""
    book = await asyncio.to_thread(_meant, live, data.rulebook)
    given = (("from", data.from_), ("until", data.until), ("as_of", data.as_of))
    bounds = [None if text is None else instant_of(text, name) for name, text in given]
    now_ns = service.clock()
    return view_of(service.jobs.start("whatif", principal, lambda job: _what_if(job, live.home, book, bounds, now_ns)))


def _found(live: Live, digest: str) -> Rulebook:
    name = id_of(digest, "rulebook")
    if name == "in-force":
        return live.basis.rulebook
    try:
        wanted = name if name.startswith("sha256:") else f"sha256:{name}"
        if not set(wanted.removeprefix("sha256:")) <= set("0123456789abcdef"):
            raise missing("rulebook", name)
        return rulebook_of(live.home, wanted)
    except StoreError:
        raise missing("rulebook", name) from None


def _meant(live: Live, text: str) -> Rulebook:
    if "\n" in text:
        return _read(text)
    if text.startswith("sha256:"):
        return _found(live, text)
    names = (path.name for path in files("groundrule.rules").joinpath("books").iterdir())
    if text not in {name.removesuffix(".yaml") for name in names if name.endswith(".yaml")}:
        help_ = "its text, its digest, or world-2026"
        raise Refused(422, f"`{text[:80]}` is no shipped rulebook", code="bad_input", field="rulebook", help=help_)
    return load_rulebook(text)


def _read(text: str) -> Rulebook:
    try:
        return read_rulebook(text, file="rulebook")
    except RulebookErrors as error:
        raise Refused(
            422, f"the rulebook has {len(error.errors)} problems", code="malformed_rule", field="text", help="see `errors`",
            errors=[{"line": each.line, "column": each.column, "message": each.message, "help": each.help} for each in error.errors[:100]],
        ) from None  # fmt: skip


def _checked(draft: Draft, in_force: Rulebook) -> Checked:
    try:
        book = read_rulebook(draft.text, file="rulebook")
    except RulebookErrors as error:
        mistakes = [Mistake(each.line, each.column, each.message, each.help) for each in error.errors[:100]]
        return Checked(False, None, None, None, 0, mistakes, [], 0, [])
    results = run_cases(book, draft.cases, file="cases") if draft.cases else []
    failed = [str(each) for each in results if not each.passed]
    return Checked(not failed, book.id, book.version, book.digest, len(book.rules), [], _differences(in_force, book), len(results), failed)


def _differences(before: Rulebook, after: Rulebook) -> list[Difference]:
    return [Difference(each.kind, each.subject, each.id, each.sentence, each.affects_past) for each in compare(before, after)]


def _analysed(book: Rulebook) -> dict[str, Any]:
    found = analyse(book)
    return {
        "rulebook": book.digest, "sound": found.sound, "text": found.as_text(),
        "guarantees": [
            {"id": each.guarantee.id, "title": each.guarantee.title, "verdict": each.verdict, "broken_by": each.rule_id, "note": each.note}
            for each in found.guarantees
        ],
        "unreachable": [each.sentence for each in found.unreachable],
        "contradictions": [{"tier": each.tier, "serving": each.serving, "denying": each.denying} for each in found.contradictions],
        "left_to_the_default": [each.place for each in found.uncovered],
        "countries_without_a_line": list(found.silent_countries),
        "deny_on_a_doubt": list(found.denying_doubts),
        "not_decided": list(found.undecided),
    }  # fmt: skip


def _what_if(job: Job, home: Home, book: Rulebook, bounds: Sequence[int | None], now_ns: int) -> dict[str, Any]:
    begin, end, as_of = bounds
    overlay = overlay_now(home, Clocks.now(now_ns))
    before = replace(basis_of(home, recorded_at_ns=now_ns), overlay=overlay)
    after = replace(basis_of(home, recorded_at_ns=now_ns, rulebook=book, registers=before.registers), overlay=overlay)
    found = what_if(
        all_observations(home, from_ns=begin, until_ns=end), before, after, as_of_ns=as_of,
        progress=job.progress,
    )  # fmt: skip
    changed: Sequence[Mapping[str, Any]] = found.changed[:MAX_CHANGED]
    return {
        "rulebook": {"id": book.id, "version": book.version, "digest": book.digest},
        "against": before.rulebook.digest,
        "differences": msgspec.to_builtins(_differences(before.rulebook, book)),
        "terminals": found.terminals, "observations": found.observations, "changed_observations": found.changed_observations,
        "changed_terminals": len(found.changed), "by": {name: dict(counter.most_common(50)) for name, counter in found.by.items()},
        "changed": [{**row, "lat_deg": _number(row["lat_deg"]), "lon_deg": _number(row["lon_deg"])} for row in changed],
        "listed": len(changed),
    }  # fmt: skip


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)  # noqa: PLR0124 - not a number is not itself


def _sees_limits(principal: Principal) -> bool:
    return principal.reader == "operator"


def _book(book: Rulebook, in_force: str, *, whole: bool) -> Book:
    written = written_rules(book.text) if whole else {}
    return Book(
        book.id, book.version, book.title, book.operator, book.digest, book.digest == in_force, book.notice, book.default_outcome.word,
        book.default_reason, list(book.precedence), [_rule(rule, written.get(rule.id, ("", 0))) for rule in book.rules],
        book.text if whole else "",
    )  # fmt: skip


def _rule(rule: Rule, written: tuple[str, int]) -> RuleView:
    stands = rule.authority
    # A title names limits, too; whoever may not see them reads the reason instead.
    title = rule.title if written[1] else rule.reason.replace("_", " ")
    return RuleView(
        rule.id, title, rule.tier, rule.outcome.word, rule.reason, rule.state.value, rule.emergency, when(rule.effective_from_ns),
        when(rule.effective_until_ns), stands.basis, stands.requested_by, stands.source, stands.date, stands.illustrative, rule.appeal,
        *written,
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (rulebooks, rulebook, diff, check, analyse_, whatif)
