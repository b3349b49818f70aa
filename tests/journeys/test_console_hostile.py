"""Text that means harm in every text field that the console shows: it is text, on every page, whoever wrote it.

The pages are those of a real service over a home in which nearly everything exists: requests, contacts, an appeal, a report with claims,
a proposal, areas, a rulebook, a terminal; what it lacks (lists, emergencies, findings of a screening) is made up here. On its way to the
browser each text of each answer is replaced: in a list, row by row, by one of more than a hundred texts that mean harm; elsewhere by all
of them, one after the other. So every field meets every one of them, whatever the service itself would have refused. Words that the
console reads (outcomes, states), times, digests and numbers stay, as pages are built from them.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from test_console_pages import HOSTILE, PAYLOADS

from console_tab import NEEDS_BROWSER, Watched, launched, served, tab
from groundrule.store.home import Home

pytestmark = NEEDS_BROWSER

READ = re.compile(
    r"\d{4}-\d{2}-\d{2}(T[\d:.]+Z?)?|[0-9a-f]{16,}|sha256:[0-9a-f]+|[a-z]+-[0-9a-f]{32}|[a-z][a-z0-9_]*|[a-z]+:[a-z]+"
    r"|[A-Z]{2,3}|[\d.]*|[a-z]{2}-[a-z0-9-]*"
)
"""What the console reads rather than shows."""
INVISIBLE = re.compile("\u202e|\\[U\\+202E\\]")
"""Overrides of direction, and what the console shows in their place."""
NAME = re.compile("⟦([^⟧]*)⟧")
THEN, LATER = "2026-02-10T06:00:00Z", "2099-02-10T06:00:00Z"
PARTY = {"id": "party-" + "0" * 32, "name": "Somebody (invented)", "kind": "natural_person"}
LISTED = {"source": "A list (invented)", "date": "2026-02-10", "sha256": "0" * 64, "entries": 1, "complete": True}
HIT = {
    "source": "A list (invented)", "entry": "E-1", "name": "Some Body", "kind": "natural_person", "asked": "S. Body", "score": 900,
    "verdict": "candidate", "programmes": ["Programme 1"],
    "features": {"name_score": 900, "words": [{"query": "Some 1", "listed": "Some 2", "link": "equal", "likeness": 1}],
                 "only_query": ["A b"], "only_listed": ["C d"], "order": None, "birth": ["unknown", 0], "country": ["unknown", 0],
                 "identifiers": ["I d"], "weak_name": False, "lines": ["Some line"]},
}  # fmt: skip
VERIFIED = {
    "id": "0" * 64, "terminal": "Some terminal", "at": THEN, "audience": "operator", "verdict": "inconsistent",
    "sentence": "Some sentence", "appeal": "Some appeal", "assurance": "Some assurance", "conditions": ["Some condition"], "lat": 1.5,
    "lon": 2.5, "major_95_m": 180.0, "minor_95_m": 60.0, "distance_m": 412_000.0, "usable": True, "grade": "Some grade",
}  # fmt: skip
MADE_UP: dict[str, Any] = {
    "/v1/lists": {
        "sanctions": [{"source": "A list (invented)", "format": "csv", "published_at": THEN, "recorded_at": THEN, "digest": "0" * 64,
                       "entries": 1, "broken": 0, "complete": True, "age_s": 1, "asked_at": THEN, "stale": False, "snapshots": 1}],
        "policy": [{"id": "invented", "title": "A list", "source": "A source", "entries": {"active": 1}, "quotas": {}, "signed": True,
                    "governed": True}],
    },
    "/v1/lists/invented/entries": {
        "items": [{"id": "An entry", "state": "active", "legal_class": "Some class", "facts": {"holder": "Some body"}, "governed": True}],
        "next": None,
    },
    "/v1/emergencies": {
        "active": 1, "opened_in_30_days": 1, "frozen": True, "overdue_reviews": [], "conditions": ["Some condition"],
        "items": [{"id": "emergency-" + "0" * 32, "log_index": 1, "witnessed": True, "condition": "Some condition",
                   "direction": "permit_only", "areas": ["An area"], "terminals": ["A terminal"], "ops": ["Some op"], "openers": [PARTY],
                   "opened_at": THEN, "ttl_s": 60, "ends_at": LATER, "remaining_s": 60, "state": "active", "closed_at": None,
                   "renewal_of": None, "returns_to": "A policy",
                   "review": {"verdict": "Some verdict", "due": LATER, "remaining_s": 1, "overdue": False}}],
        "next": None,
    },
    "/v1/screenings": {"lists": [LISTED], "algorithm": "An algorithm", "version": "Version 1", "threshold": 790,
                       "screened": [{"names": ["Some Body"], "hits": [HIT], "problem": None},
                                    {"names": ["Other Body"], "hits": [], "problem": "Some problem"}]},
    "/v1/satellites": {
        "at": THEN, "elements": 1, "digest": "0" * 64,
        "constellations": [{"id": "Some constellation", "satellites": 1, "usable": 1, "stale": 0, "future": 0, "failed": 0,
                            "newest_epoch": THEN, "oldest_epoch": THEN, "median_age_days": 0.1, "grades": ["raw"], "forms": ["tle"],
                            "sources": ["A source"], "generated": False, "incomplete": "Some reason"}],
    },
    "/v1/satellites/positions": {
        "at": THEN, "total": 1, "without_position": 0, "constellations": ["Some constellation"], "satellite": [7],
        "name": ["Some satellite"], "constellation": [0], "lon": [2.0], "lat": [1.0], "height_km": [550.0], "age_h": [1.0], "next": None,
    },
    "/v1/satellites/visible": {
        "at": THEN, "lat": 1.0, "lon": 2.0, "mask_deg": 25.0, "total": 1,
        "constellations": [{"constellation": "Some constellation", "seen": 1}],
        "satellites": [{"satellite": 7, "name": "Some satellite", "constellation": "Some constellation", "elevation_deg": 40.0,
                        "azimuth_deg": 9.0, "range_km": 700.0, "lon": 2.5, "lat": 1.5, "age_h": 1.0, "generated": True}],
        "without_position": 0, "incomplete": {}, "meaning": "Some meaning",
    },
    "/v1/satellites/7/track": {"satellite": 7, "name": "Some satellite", "constellation": "Some constellation", "at": THEN,
                               "lon": [1.0, 2.0], "lat": [1.0, 2.0], "age_h": 1.0},
    "/v1/verifications": {"items": [VERIFIED], "next": None},
    f"/v1/verifications/{'0' * 64}": VERIFIED | {
        "report": {"words": "Some words", "first": THEN, "at": THEN, "verdict_by_class": {}, "could_have_seen": {"1_km": 0.5},
                   "worst_minimal_detectable_offset_m": 900.0, "tolerated_m": 10_000.0, "velocity": "Not estimated", "tests": [],
                   "inputs": "0" * 64, "model": "Some model"},
        "drawing": {
            "claim": {"lon": 2.0, "lat": 1.0, "sigma_m": 5.0},
            "places": [{"lon": 2.5, "lat": 1.5, "weight": 1.0, "ellipse": [[2.4, 1.4], [2.6, 1.6], [2.4, 1.4]], "major_95_m": 180.0,
                        "minor_95_m": 60.0, "azimuth_deg": 20.0}],
            "satellites": [{"satellite": 7, "name": "Some satellite", "used": False, "why": "Some reason", "grade": "C raw", "age_h": 1.0,
                            "range_km": 700.0, "track": [[1.0, 1.0], [2.0, 2.0]], "circle": [[1.0, 1.0], [3.0, 3.0]]}],
            "feasible": None,
        },
    },
    "/v1/interference": {
        "state": "ready", "from": THEN, "until": LATER, "seen_rows": 9, "terminals": 3, "suspended": 1, "internal": True,
        "least_terminals": 20, "least_holders": 5,
        "cells": {"type": "FeatureCollection", "features": [{
            "type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 1.0]]]},
            "properties": {"h3_cell": "Some cell", "kind": "jump", "from": THEN, "until": LATER, "terminals": 9, "share": 0.9,
                           "pattern": "Some pattern"}}]},
    },
}  # fmt: skip
SINGLE = {
    "/v1/terminals": "/terminals/", "/v1/proposals": "/proposals/", "/v1/requests": "/requests/", "/v1/contacts": "/contacts/",
    "/v1/appeals": "/appeals/", "/v1/reports": "/reports/",
}  # fmt: skip
"""Where the first few of a list have pages of their own."""
FEW = 2
SEEN = {
    "/terminals": {"areas", "id"},
    "/terminals/": {"account_id", "appeal", "basis", "custodian", "donor", "kit_number", "message", "name", "purpose", "requested_by",
                    "rule", "sentence", "terminal_id", "title"},
    "/rulebook": {"appeal", "basis", "notice", "operator", "requested_by", "text", "title"},
    "/proposals": {"rationale"},
    "/proposals/": {"asks", "lines", "name", "rationale", "reversal_plan"},
    "/lists": {"source", "title"},
    "/lists/invented": {"id", "legal_class", "holder"},
    "/screening": {"asked", "entry", "name", "names", "problem", "programmes", "source"},
    "/requests": {"name"},
    "/requests/": {"detail", "name", "reason", "reference"},
    "/contacts": {"name"},
    "/contacts/": {"name"},
    "/appeals": {"terminal", "who"},
    "/appeals/": {"decision", "stages", "terminal", "who"},
    "/emergencies": {"areas", "condition", "name", "verdict"},
    "/reports": {"publisher", "title"},
    "/reports/": {"authors", "detail", "file_name", "publisher", "statement", "text", "title", "who"},
    "/log": {"origin"},
    "/satellites": {"id"},
    "/satellites?place=1,2&satellite=7": {"constellations", "name"},
    "/verifications": {"terminal"},
    f"/verifications/{'0' * 64}": {"assurance", "conditions", "model", "name", "sentence", "terminal", "why", "words"},
    "/interference": {"pattern"},
    "problem": {"detail", "errors.detail", "errors.message", "field", "help", "title", "value"},
}  # fmt: skip
"""Fields that must have been seen as text, whole, by page; a page of its own ends in a slash."""


def harmful(name: str, row: int | None = None) -> str:
    """What stands in a field instead of what the service said: its name between marks, and harm."""
    return f"⟦{name}⟧{''.join(PAYLOADS) if row is None else PAYLOADS[row % len(PAYLOADS)]}"


def replaced(value: Any, name: str = "", row: int | None = None) -> Any:
    """An answer with its texts replaced; a list gets a row for each harm."""
    if isinstance(value, dict):
        rows = value.get("items")
        many = name == "" and isinstance(rows, list) and rows and isinstance(rows[0], dict)
        found = {key: replaced(each, key, row) for key, each in value.items() if not (many and key == "items")}
        if many:
            found |= {"items": [replaced(rows[k % len(rows)], "items", k) for k in range(len(PAYLOADS))], "next": None}
        return found
    if isinstance(value, list):
        return [replaced(each, name, row) for each in value]
    return harmful(name, row) if isinstance(value, str) and not READ.fullmatch(value) else value


class Between:
    """Stands between a page and its service.

    Attributes:
        problem: every answer is one that says what is wrong.
        first: ids of the first few of each list, as the service said them.
    """

    def __init__(self, context: Any) -> None:
        self.problem = False
        self.first: dict[str, list[str]] = {}
        # The session, and the stream of events, stay what they are.
        context.route(re.compile(r"/(v1|ogc)/(?!events|session)"), self._answer)

    def _answer(self, route: Any) -> None:
        path = urlsplit(route.request.url).path
        made_up = MADE_UP.get(path) if path != "/v1/screenings" or route.request.method == "POST" else None
        if self.problem:
            texts = {key: harmful(key) for key in ("title", "detail", "help", "field", "value", "refusal")}
            inner = {key: harmful(f"errors.{key}") for key in ("field", "detail", "message")}
            body = {**texts, "status": 422, "code": "bad_input", "errors": [inner]}
            route.fulfill(status=422, content_type="application/problem+json", body=json.dumps(body))
        elif made_up is not None:
            route.fulfill(status=200, content_type="application/json", body=json.dumps(replaced(made_up)))
        else:
            answer = route.fetch()
            if "json" in answer.headers.get("content-type", "") and answer.status == 200:
                said = answer.json()
                if path in SINGLE and said.get("items"):
                    self.first[path] = [str(each["id"]) for each in said["items"][:FEW]]
                route.fulfill(response=answer, body=json.dumps(replaced(said)))
            else:
                route.fulfill(response=answer)


def home_of_everything() -> Home:
    """The home of the dossiers' test."""
    spec = importlib.util.spec_from_file_location("home_for_hostile_answers", HOSTILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.case
    home: Home = (made._get_wrapped_function() if hasattr(made, "_get_wrapped_function") else made.__pytest_wrapped__.obj)().home
    return home


JUDGE = """() => {
  const made = 'main script, main iframe, main object, main embed, main marquee, main x, main math, main video, main template, '
    + 'main noscript, main style, main form[action], [srcdoc], img[src="x"], body body';
  const runs = e => [...e.attributes].some(a => /^on/i.test(a.name)
    || (/^\\s*(javascript|data|vbscript):/i.test(a.value)
      && ['href', 'src', 'action', 'data', 'formaction', 'xlink:href'].includes(a.name)));
  return {
    ran: window.__ran.length, flag: document.documentElement.getAttribute('data-ran'),
    made: [...document.querySelectorAll(made)].map(e => e.outerHTML.slice(0, 120)),
    runs: [...document.querySelectorAll('*')].filter(runs).map(e => e.outerHTML.slice(0, 120)),
    text: [document.body.textContent, ...[...document.querySelectorAll('input, textarea')].map(e => e.value)].join(' '),
  };
}"""


def plain(text: str) -> str:
    """A text as it can be compared: codes are shown with spaces."""
    return INVISIBLE.sub("", text).replace("_", " ")


def judged(watched: Watched, address: str) -> set[str]:
    """Nothing ran, nothing was made of it; returns the fields whose text is on the page, whole."""
    found = watched.page.evaluate(JUDGE)
    assert (found["ran"], found["flag"], found["made"], found["runs"]) == (0, None, [], []), address
    watched.keep(address)
    text = plain(found["text"])
    seen = set()
    for name in {each.replace(" ", "_") for each in NAME.findall(text)}:
        rows = (plain(harmful(name, row)) for row in range(len(PAYLOADS)))
        if plain(harmful(name)) in text or sum(each in text for each in rows) >= 100:
            seen.add(name)
    return seen


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as made:
        yield made


def test_every_text_of_every_answer_may_mean_harm(browser: Any) -> None:
    assert len(PAYLOADS) >= 100
    with served(home_of_everything().path) as link:
        watched = tab(browser, link, "harm")
        menu = watched.links("nav")
        between = Between(watched.page.context)
        seen: dict[str, set[str]] = {}
        for address in [*menu, "/lists/invented", "/satellites?place=1,2&satellite=7", f"/verifications/{'0' * 64}"]:
            watched.go(address)
            if address == "/screening":
                watched.page.locator("main textarea").first.fill("Some Body")
                watched.page.locator("main form button[type=submit]").first.click()
                watched.settle()
            seen[address] = judged(watched, address)
        for path, page in SINGLE.items():
            for name in between.first[path]:
                # An id may mean harm too: not a character of it may stand in the address as it is.
                watched.go(page + "".join(f"%{byte:02X}" for byte in name.encode()))
                seen[page] = seen.get(page, set()) | judged(watched, page)
        between.problem = True
        watched.go("/requests")
        seen["problem"] = judged(watched, "problem")
        watched.go("/terminals/anything")
        judged(watched, "problem of a single one")
        # What a browser says of every answer that is none is no sign of harm; anything else is, the policy of the page before all.
        assert [each for each in watched.errors if "the server responded with a status of 4" not in each] == []
        assert watched.dialogs == []
        assert watched.foreign == []
        # The judge is worth something: were a single text taken for markup, it would say so.
        for payload in ("<x>", "<a href='javascript:1'>x</a>", "<img src=x onerror=1>"):
            watched.page.evaluate("text => { document.querySelector('main').innerHTML = text }", payload)
            with pytest.raises(AssertionError):
                judged(watched, payload)
        watched.page.context.close()
    assert {page: fields - seen.get(page, set()) for page, fields in SEEN.items() if not fields <= seen.get(page, set())} == {}
