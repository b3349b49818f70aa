"""Verifications: where radio says that terminals are, one by one, drawn, and as pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get
from litestar.params import Parameter, QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.drawings import Drawings, Form, drawn_as
from groundrule.api.given import GivenLive, GivenPrincipal
from groundrule.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from groundrule.api.paths import id_of, missing
from groundrule.api.problems import Refused
from groundrule.api.seen import Sight, sight_of
from groundrule.api.spoken import Accepted, Language, language_of, told
from groundrule.api.times import instant_of
from groundrule.evidence.verification import picture_of
from groundrule.evidence.verification_shapes import drawing_of
from groundrule.evidence.verification_words import say_to_operator, say_to_owner
from groundrule.instant import MAX_NS, MIN_NS, format_instant
from groundrule.pipeline.live import Live
from groundrule.store.verifications import find_verification, newest_verifications
from groundrule.verify.kept import report_of_json

VerdictWord = Literal["consistent", "inconsistent", "ambiguous", "insufficient", "fault"]
LISTED: Final = (
    "verdict", "assurance", "conditions", "lat_deg", "lon_deg", "sigma_major_m", "sigma_minor_m", "usable", "distance_m", "grade", "words",
)  # fmt: skip
LOOKED_AT: Final = 20_000
"""Rows that are read for one page at most; a reader who sees few of them goes on with the cursor."""
_SCALE_95: Final = math.sqrt(5.991464547)

Id = Annotated[str, Parameter(max_length=200, description="Digest of what the verification rests on, as lists give it.")]


class Verification(msgspec.Struct, omit_defaults=True):
    """One verification. Members after `appeal` are for the operator's side alone.

    Attributes:
        id: digest of what it rests on.
        terminal, at: whose, and when the last of it was measured.
        audience: `operator`, or `owner`, whose words regulators read, too.
        verdict: of the reported position.
        sentence: the verdict in words.
        appeal: what whoever is affected can do.
        assurance: strongest attacker against which it stands: `a0`, `a1`, `a2`, `beam_only`, `none`.
        conditions: everything that speaks against a plain answer.
        lat, lon: where radio places it [degree].
        major_95_m, minor_95_m: axes of the 95 % ellipse [m].
        distance_m: from the reported position [m].
        usable: the position may stand for the terminal, whatever it reports.
        grade: of the worst elements that it rests on.
    """

    id: str
    terminal: str
    at: str
    audience: Literal["operator", "owner"]
    verdict: VerdictWord
    sentence: str
    appeal: str
    assurance: str | None = None
    conditions: list[str] | None = None
    lat: float | None = None
    lon: float | None = None
    major_95_m: float | None = None
    minor_95_m: float | None = None
    distance_m: float | None = None
    usable: bool | None = None
    grade: str | None = None


class VerificationDrawn(Verification, omit_defaults=True):
    """One verification with all that it rests on, for the operator's side.

    Attributes:
        report: everything that is said of it (`groundrule verify --json`); null where only the verdict was kept.
        drawing: what a map shows: `claim`, `places` with 95 % ellipses, `satellites` with ground tracks and range circles, `feasible`.
    """

    report: dict[str, Any] | None = None
    drawing: dict[str, Any] | None = None


_EXAMPLE: Final = {
    "items": [{
        "id": "9f2c…", "terminal": "ka-1093", "at": "2026-06-03T05:00:59.000Z", "audience": "operator", "verdict": "inconsistent",
        "sentence": "What the network measured contradicts the reported position: radio places the terminal 412 km from it.", "appeal": "…",
        "assurance": "a1", "conditions": ["t3"], "lat": 47.2487, "lon": 35.7079, "major_95_m": 180.0, "minor_95_m": 60.0,
        "distance_m": 412_030.0, "usable": True, "grade": "A",
    }],
    "next": None,
}  # fmt: skip


@get(
    "/v1/verifications", sync_to_thread=True, summary="Verifications, the newest first",
    opt={
        "permission": "verifications:read",
        "openapi": {"responses": {"200": {"content": {"application/json": {"example": _EXAMPLE}}}}},
    },
)  # fmt: skip
def verifications(
    live: GivenLive,
    principal: GivenPrincipal,
    terminal: Annotated[str | None, Parameter(max_length=200, description="Only of this terminal.")] = None,
    verdict: Annotated[VerdictWord | None, Parameter(description="Only with this verdict.")] = None,
    from_: Annotated[str | None, QueryParameter(name="from", max_length=40, description="Measured at this instant or later.")] = None,
    until: Annotated[str | None, Parameter(max_length=40, description="Measured before this instant.")] = None,
    language: Language = None,
    accepted: Accepted = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[Page[Verification]]:
    """List verifications; an owner sees those of the own terminals, a regulator those of terminals that are in its countries."""
    wanted, sight = language_of(language, accepted), sight_of(live, principal)
    low = MIN_NS if from_ is None else instant_of(from_, "from")
    high = MAX_NS if until is None else instant_of(until, "until")
    position = decode_cursor(cursor, _is_place)
    before: tuple[int, str, str] | None = None if position is None else (position[0], position[1], position[2])
    items: list[Verification] = []
    looked, step = 0, max(2 * limit, 200)
    while True:
        table = newest_verifications(live.home, step, terminal=terminal, before=before, from_ns=low, until_ns=high, columns=LISTED)
        for row in table.to_pylist():
            before = (row["at_ns"], row["terminal_id"], row["inputs"])
            if (verdict is None or row["verdict"] == verdict) and _sees(live, sight, row):
                items.append(_row(row, sight, wanted))
                if len(items) == limit:
                    rest = newest_verifications(live.home, 1, terminal=terminal, before=before, from_ns=low, until_ns=high, columns=())
                    return told(Page(items, encode_cursor(before) if len(rest) else None), wanted)
        looked += len(table)
        if len(table) < step:
            return told(Page(items, None), wanted)
        step = min(2 * step, LOOKED_AT)
        if looked >= LOOKED_AT:
            return told(Page(items, encode_cursor(before)), wanted)


@get(
    "/v1/verifications/{verification:str}", opt={"permission": "verifications:read"}, sync_to_thread=True,
    summary="One verification, with what is drawn of it",
)  # fmt: skip
def verification_(
    live: GivenLive, principal: GivenPrincipal, verification: Id, language: Language = None, accepted: Accepted = None
) -> Response[VerificationDrawn]:
    """Give one verification: in words to an owner or a regulator, with everything that it rests on to the operator's side."""
    wanted, sight = language_of(language, accepted), sight_of(live, principal)
    row = _found(live, sight, verification)
    made = VerificationDrawn(**msgspec.structs.asdict(_row(row, sight, wanted)))
    if not sight.closed and row.get("report"):
        report = report_of_json(row["report"])
        made.report, made.drawing = report.as_dict(), drawing_of(report)
    return told(made, wanted)


@get(
    "/v1/verifications/{verification:str}/picture.png", sync_to_thread=True, summary="The picture of one verification as PNG",
    opt={"permission": "verifications:draw", "openapi": drawn_as("png", "The picture")},
)  # fmt: skip
def png(live: GivenLive, principal: GivenPrincipal, verification: Id) -> Response[bytes]:
    """Draw ground tracks, range circles, ellipse, claim and other places."""
    return _picture(live, sight_of(live, principal), verification, "png")


@get(
    "/v1/verifications/{verification:str}/picture.svg", sync_to_thread=True, summary="The picture of one verification as SVG",
    opt={"permission": "verifications:draw", "openapi": drawn_as("svg", "The picture")},
)  # fmt: skip
def svg(live: GivenLive, principal: GivenPrincipal, verification: Id) -> Response[bytes]:
    """Draw ground tracks, range circles, ellipse, claim and other places."""
    return _picture(live, sight_of(live, principal), verification, "svg")


_PICTURES: Final = Drawings(kept=16)


def _picture(live: Live, sight: Sight, verification: str, form: Form) -> Response[bytes]:
    row = _found(live, sight, verification)
    if not row.get("report"):
        raise Refused(404, "of this verification only the verdict was kept", code="missing", help="there is nothing to draw")
    text: str = row["report"]
    name = f"verification-{row['inputs'].removeprefix('sha256:')[:16]}"
    return _PICTURES.response(text, form, name, lambda: picture_of(report_of_json(text), form))


def _found(live: Live, sight: Sight, verification: str) -> dict[str, Any]:
    name = id_of(verification, "verification")
    table = find_verification(live.home, name)
    rows = table.to_pylist()
    if not rows or not _sees(live, sight, rows[0]):
        raise missing("verification", name)
    found: dict[str, Any] = rows[0]
    return found


def _sees(live: Live, sight: Sight, row: Mapping[str, Any]) -> bool:
    if not sight.closed:
        return True
    if sight.areas is not None:
        return sight.row_of(live.fleet(), row["terminal_id"]) >= 0
    return sight.owns(row["terminal_id"], row["at_ns"])


def _row(row: Mapping[str, Any], sight: Sight, language: str) -> Verification:
    said, appeal = say_to_owner(language, row["verdict"])
    identity = (row["inputs"].removeprefix("sha256:"), row["terminal_id"], format_instant(row["at_ns"]))
    if sight.closed:
        return Verification(*identity, "owner", row["verdict"], said, appeal)
    major, minor = _axis(row["sigma_major_m"]), _axis(row["sigma_minor_m"])
    distance = row["distance_m"] if row["lat_deg"] is not None and "no_claim" not in row["conditions"] else None
    sentence = say_to_operator(language, verdict=row["verdict"], distance_m=distance, major_95_m=major, minor_95_m=minor)
    return Verification(
        *identity, "operator", row["verdict"], sentence, appeal, row["assurance"], list(row["conditions"]), row["lat_deg"], row["lon_deg"],
        major, minor, distance, row["usable"], row["grade"],
    )  # fmt: skip


def _axis(sigma_m: float | None) -> float | None:
    return None if sigma_m is None else round(sigma_m * _SCALE_95, 1)


def _is_place(found: Any) -> bool:
    return (
        isinstance(found, list) and len(found) == 3 and isinstance(found[0], int) and not isinstance(found[0], bool)
        and MIN_NS <= found[0] <= MAX_NS and isinstance(found[1], str) and isinstance(found[2], str)
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (verifications, verification_, png, svg)
