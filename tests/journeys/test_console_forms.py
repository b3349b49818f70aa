"""Each form of the console, filled in a real browser: its result on the page and in the API, and wrong input at its field.

What a person signs is signed here as on an own device: by the command line that the page names, on the files that the page gave.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import governed_world as gw
import small_home as sh
from console import groundrule
from console_tab import AXE, NARROW, NEEDS_BROWSER, Watched, launched, served, tab, violations
from governed_home import Clock, base_home, decided, desk
from groundrule.govern.signed import format_time, whole_ms
from groundrule.pipeline.parties import party_record, put_party
from groundrule.signing import seal_key

pytestmark = NEEDS_BROWSER
NAMES = {"author": "Ada Author", "g1": "Gil Registrar", "e1": "Eva First", "e2": "Emil Second", "p1": "Pia Policy",
         **{f"v{n}": f"Vera Reviewer {n}" for n in range(1, 6)}}  # fmt: skip
PASSPHRASE = "a passphrase of a test"
LETTER = "Please serve our ship in the closed zone. </pre><script>window.__ran.push(1)</script>"
FORMS = (
    "/appeals?new=1", "/requests?new=1", "/contacts?new=1", "/contacts?nil=1", "/proposals?new=1", "/emergencies?new=1",
    "/reviews?new=1", "/charter", "/reviews", "/refusals", "/oversight",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as made:
        yield made


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service over a small governed home, of now."""
    now = whole_ms(time.time_ns()) - gw.HOUR
    home = base_home(tmp_path_factory.mktemp("forms") / "home")
    with desk(home, Clock(now)) as made:
        made.genesis(issued=format_time(now), expires=format_time(now + 300 * gw.DAY))
        for person, name in NAMES.items():
            put_party(home, party_record({"kind": "natural_person", "names": [f"{name} (invented)"]}, gw.party(person)))
    with home.writer():
        rows = [*sh.drive("car", 0, 8, lat=5, lon=1, km_h=100), sh.observation("guest", 0, 2.5, 2.5)]
        decided(home, sh.table(rows), at_ns=now + 60_000_000_000)
    with served(home.path) as found:
        yield found


@pytest.fixture(scope="module")
def at(browser: Any, link: str) -> Iterator[Watched]:
    watched = tab(browser, link, "forms")
    yield watched
    watched.clean(refused=True)
    watched.page.context.close()


class Shown:
    """A form, by the labels that a person reads."""

    def __init__(self, at: Watched, name: str) -> None:
        self.at, self.form = at, at.page.get_by_role("form", name=name)

    def fill(self, label: str, value: str, *, within: str | None = None) -> None:
        self._of(within).get_by_label(re.compile(f"^{re.escape(label)}")).first.fill(value)

    def choose(self, label: str, words: str, *, within: str | None = None) -> None:
        self._of(within).get_by_label(re.compile(f"^{re.escape(label)}")).first.select_option(label=words)

    def send(self, words: str) -> None:
        self.form.get_by_role("button", name=words, exact=True).click()
        self.at.settle()

    def wrong(self) -> dict[str, str]:
        """What stands at fields that are wrong, by the names of the fields; each is said to be wrong to screen readers, too."""
        found = {}
        for control in self.form.locator("[aria-invalid=true]").all():
            said = control.get_attribute("aria-describedby") or ""
            texts = [self.at.page.locator(f"[id='{each}']").inner_text() for each in said.split() if each.endswith("wrong")]
            found[str(control.get_attribute("name"))] = " ".join(texts)
        return found

    def _of(self, within: str | None) -> Any:
        return self.form if within is None else self.form.get_by_role("group", name=re.compile(f"^{re.escape(within)}"))


def asked(at: Watched, path: str) -> Any:
    """What the API says to whoever is logged in."""
    answer = at.page.request.get(at.origin + path)
    assert answer.ok, answer.text()
    return answer.json()


def signed(folder: Path, person: str, *command: object) -> Path:
    """Sign by command, as a person does on an own device."""
    key, words, out = folder / f"{person}.key", folder / "passphrase", folder / f"{person}.sig"
    key.write_bytes(seal_key(gw.key(person), PASSPHRASE.encode()))
    key.chmod(0o600)
    words.write_text(PASSPHRASE)
    made = groundrule(*command, "--key", key, "--out", out, "--passphrase-file", words)
    assert made.code == 0, made
    return out


def test_a_request_is_recorded_and_answered(at: Watched) -> None:
    at.go("/requests?new=1")
    form = Shown(at, "Record a request")
    form.send("Put on record")
    assert form.wrong() == dict.fromkeys(("requester.names", "ask.0.object", "received_by", "text"), "Fill in this field.")
    assert at.page.evaluate("document.activeElement.name") == "requester.names"
    form.fill("Names", "Harbour Lines (invented)\nГавань (invented)")
    form.fill("Country", "AT", within="Asked by")
    form.choose("To do", "serve")
    form.fill("With what", "area/closed")
    form.choose("Taken in by", "Gil Registrar (invented)")
    form.choose("Channel", "call")
    form.fill("The letter, or a note of the talk", LETTER)
    form.fill("In short", "<img src=x onerror=window.__ran.push(2)>")
    form.fill("Received at", "2126-01-01T00:00")
    form.send("Put on record")
    assert "rise" in form.form.locator(".problem").inner_text()
    form.fill("Received at", "")
    form.send("Put on record")
    at.page.wait_for_url(re.compile(r"/requests/request-[0-9a-f]{32}$"))
    at.settle()
    assert "Harbour Lines (invented)" in at.page.inner_text("main")
    name = at.page.url.rsplit("/", 1)[1]
    made = asked(at, f"/v1/requests/{name}")
    assert (made["channel"], made["received_by"]["id"], made["outcome"]) == ("call", gw.party("g1"), "pending")
    assert made["text"] == LETTER
    assert LETTER in at.page.inner_text("main")
    assert at.page.evaluate("window.__ran") == []
    assert made["requester"]["name"] == "Harbour Lines (invented)"

    answer = Shown(at, "Answer")
    answer.send("Put on record")
    assert answer.wrong() == {"reason": "Fill in this field."}
    answer.choose("Outcome", "refused")
    answer.fill("Reason", "an order stands against it (invented)")
    answer.send("Put on record")
    at.page.get_by_text("an order stands against it (invented)").first.wait_for()
    assert asked(at, f"/v1/requests/{name}")["outcome"] == "refused"


def test_what_the_service_refuses_stands_at_the_field_it_names(at: Watched) -> None:
    at.go("/requests?new=1")
    form = Shown(at, "Record a request")
    form.fill("Names", "Harbour Lines (invented)")
    form.fill("With what", "x" * 399)
    form.choose("Taken in by", "Gil Registrar (invented)")
    form.fill("The letter, or a note of the talk", "…")
    form.choose("Who it is", "known by an id", within="On behalf of")
    form.fill("Id of the party", "somebody", within="On behalf of")
    form.send("Put on record")
    assert form.wrong() == {"on_behalf_of.id": "An id is party- and 32 digits or letters a to f."}
    form.choose("Who it is", "not known", within="On behalf of")
    before = len(asked(at, "/v1/requests")["items"])
    at.page.route("**/v1/requests", lambda route: route.continue_(post_data=route.request.post_data.replace('"serve"', '"conquer"')))
    form.send("Put on record")
    at.page.unroute("**/v1/requests")
    assert "conquer" in form.wrong()["ask.0.op"]
    at.keep("refused-at-its-field")
    assert len(asked(at, "/v1/requests")["items"]) == before


def test_a_contact_is_told_and_another_is_said_not_to_have_been(at: Watched, tmp_path: Path) -> None:
    at.go("/contacts?new=1")
    form = Shown(at, "Tell of a contact")
    form.send("Record it unsigned")
    assert set(form.wrong()) == {"covered_person", "counterparty.names"}
    form.choose("Covered person", "Pia Policy (invented)")
    form.choose("How it is known", "third party")
    form.fill("Names", "Ministry of Ports (invented)", within="With")
    form.choose("Kind", "government body", within="With")
    form.fill("Names", "Wim Witness (invented)", within="Told by")
    form.fill("From", "2026-03-01T08:00")
    form.fill("Until", "2026-02-01T08:00")
    form.send("Record it unsigned")
    assert "times out of order" in form.form.locator(".problem").inner_text()
    form.fill("Until", "2026-03-01T09:00")
    with at.page.expect_download() as saving:
        form.send("Save the file to sign")
    saving.value.save_as(tmp_path / "contact.json")
    assert json.loads((tmp_path / "contact.json").read_text())["occurred_from"] == "2026-03-01T08:00:00.000Z"
    assert "groundrule contact add contact.json" in at.page.inner_text("main")
    form.send("Record it unsigned")
    at.page.wait_for_url(re.compile(r"/contacts/contact-[0-9a-f]{32}$"))
    at.settle()
    made = asked(at, "/v1/contacts/" + at.page.url.rsplit("/", 1)[1])
    assert (made["person"]["name"], made["allegation"], made["late"]) == ("Pia Policy (invented)", True, True)
    assert "Ministry of Ports (invented)" in at.page.inner_text("main")

    at.go("/contacts?nil=1")
    nil = Shown(at, "No contact")
    nil.choose("Covered person", "Pia Policy (invented)")
    nil.fill("From", "2026-04-01T00:00")
    nil.fill("Until", "2126-04-01T00:00")
    nil.send("Put on record")
    assert "has not passed" in nil.form.locator(".problem").inner_text()
    nil.fill("Until", "2026-05-01T00:00")
    nil.send("Put on record")
    at.page.get_by_text("It is in the log.").wait_for()
    assert [each["until"] for each in asked(at, "/v1/contacts")["nil_returns"]] == ["2026-05-01T00:00:00Z"]
    assert "Pia Policy (invented)" in at.page.locator("main section").last.inner_text()


def test_a_proposal_is_checked_tried_and_logged(at: Watched) -> None:
    at.go("/proposals?new=1")
    form = Shown(at, "Draft a proposal")
    text = form.form.get_by_label("Text of the rulebook")
    text.fill("rulebook: small\nversion: 2\nrules: nothing\n")
    form.send("Check")
    at.page.get_by_text("it cannot be used").wait_for()
    assert at.page.locator(".lined-numbers .bad").count() >= 1
    text.fill(sh.BOOK.replace("above: 75, release_below: 70", "above: 120, release_below: 110").replace("version: 1", "version: 2"))
    form.send("Check")
    at.page.get_by_text("It can be used").wait_for()
    form.send("What would it change?")
    assert set(form.wrong()) == {"author", "rationale", "reversal_plan"}
    form.choose("Author", "Ada Author (invented)")
    form.fill("Why", "Ferries are faster than cars (invented)")
    form.fill("How it would be undone", "put version 1 back")
    form.fill("Until", "2020-01-01T00:00")
    form.send("What would it change?")
    assert form.form.locator(".problem").count() == 1
    form.fill("Until", "")
    form.send("What would it change?")
    tried = at.page.locator("#tried")
    tried.wait_for()
    assert "nothing is logged" in tried.inner_text()
    at.keep("tried")
    assert asked(at, "/v1/proposals")["items"] == []
    form.send("Propose it")
    at.page.wait_for_url(re.compile(r"/proposals/[0-9a-f]{64}$"))
    at.settle()
    shown = at.page.inner_text("main")
    assert "Ferries are faster than cars (invented)" in shown
    assert "groundrule approve proposal-" in shown
    (made,) = asked(at, "/v1/proposals")["items"]
    assert (made["state"], made["objects"], made["author"]["name"]) == ("open", ["rulebook"], "Ada Author (invented)")


def test_areas_and_entries_of_lists_are_proposed_together(at: Watched, tmp_path: Path) -> None:
    area = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[4, 4], [5, 4], [5, 5], [4, 5], [4, 4]]]},
            "properties": {"id": "harbour", "name": "Harbour (invented)", "kind": "zone"}}  # fmt: skip
    good, bad = tmp_path / "areas.geojson", tmp_path / "notes.json"
    good.write_text(json.dumps({"type": "FeatureCollection", "features": [area]}))
    bad.write_text("[]")
    at.go("/proposals?new=1&change=area")
    form = Shown(at, "Draft a proposal")
    chooser = form.form.get_by_label("Choose a GeoJSON file")
    chooser.set_input_files(bad)
    form.form.get_by_text("notes.json is no GeoJSON").wait_for()
    chooser.set_input_files(good)
    form.form.get_by_text("1 area").wait_for()
    form.form.get_by_role("button", name="One more change").click()
    second = form.form.get_by_role("group", name=re.compile("^Change 2"))
    second.get_by_label("What changes").select_option(label="entries of a list")
    second = form.form.get_by_role("group", name=re.compile("^Change 2"))
    second.get_by_label("Id of the list").fill("pass")
    second.get_by_role("button", name="Add an entry").click()
    second.get_by_label("Holder").fill("p2")
    second.get_by_label("Id of the device").fill("guest")
    form.choose("Author", "Ada Author (invented)")
    form.fill("Why", "The guest may pass the harbour (invented)")
    form.fill("How it would be undone", "take both away")
    form.send("Propose it")
    at.page.wait_for_url(re.compile(r"/proposals/[0-9a-f]{64}$"))
    made = asked(at, "/v1/proposals/" + at.page.url.rsplit("/", 1)[1])
    assert [each["object"] for each in made["changes"]] == ["area/harbour", "list/pass"]
    assert made["author"]["id"] == gw.party("author")


def test_an_emergency_is_drafted_signed_elsewhere_opened_and_ended(at: Watched, tmp_path: Path) -> None:
    at.go("/emergencies?new=1")
    form = Shown(at, "Open an emergency")
    form.fill("How long [hours]", "48")
    form.send("Make the file to sign")
    assert form.wrong() == {
        "openers.0": "Fill in this field.", "openers.1": "Fill in this field.", "ttl_s": "A number from 1 to 24.",
    }  # fmt: skip
    form.choose("First person", "Eva First (invented)")
    form.choose("Second person", "Emil Second (invented)")
    form.fill("How long [hours]", "2")
    form.fill("Opens in [minutes]", "0")
    form.send("Make the file to sign")
    assert "scope of nothing" in form.form.locator(".problem").inner_text()
    form.fill("Areas", "closed")
    form.fill("Terminals", "car")
    form.send("Make the file to sign")
    to_sign = at.page.locator("#to-sign")
    to_sign.wait_for()
    for name in ("emergency.json", "emergency.json.openings"):
        with at.page.expect_download() as saving:
            to_sign.get_by_role("button", name=name, exact=True).click()
        saving.value.save_as(tmp_path / name)
    assert "groundrule emergency sign emergency.json" in to_sign.inner_text()
    to_sign.scroll_into_view_if_needed()
    at.keep("to-sign")
    files = [signed(tmp_path, each, "emergency", "sign", tmp_path / "emergency.json", "--yes") for each in ("e1", "e2")]
    chooser = at.page.get_by_label("Choose the signed files")
    chooser.set_input_files(tmp_path / "emergency.json")
    at.page.get_by_text("This is no signed file.").wait_for()
    assert at.page.get_by_role("button", name="Hand it in").is_disabled()
    at.page.get_by_role("button", name="Take emergency.json away").click()
    chooser.set_input_files(files)
    at.page.get_by_role("button", name="Hand it in").click()
    at.page.wait_for_url(re.compile(r"/emergencies#emergency-[0-9a-f]{32}$"))
    at.settle()
    (made,) = asked(at, "/v1/emergencies")["items"]
    assert (made["state"], made["terminals"], made["areas"]) == ("active", ["car"], ["closed"])
    card = at.page.locator(f"#{made['id']}")
    card.get_by_text("End it early").click()
    at.keep("running")
    command = card.locator(".command").inner_text()
    assert command == f"groundrule emergency close {made['id']} --key MY.key --out close.sig"
    other = signed(tmp_path, "e3", "emergency", "close", "emergency-" + "0" * 32)
    card.get_by_label("Choose the signed file").set_input_files(other)
    card.get_by_text("It ends another emergency.").wait_for()
    card.get_by_label("Choose the signed file").set_input_files(signed(tmp_path, "e4", "emergency", "close", made["id"]))
    card.get_by_role("button", name="Hand it in").click()
    card.get_by_text("running").wait_for(state="detached")
    assert asked(at, "/v1/emergencies")["items"][0]["state"] == "closed"

    at.go("/reviews?new=1")
    opening = Shown(at, "Open a review")
    opening.fill("Case", "emergency")
    opening.send("Open a review")
    assert opening.wrong() == {"of": "Id of an emergency or contact, or the digest of a proposal."}
    opening.fill("Case", made["id"])
    opening.send("Open a review")
    at.page.wait_for_url(re.compile(r"/reviews#review-[0-9a-f]{32}$"))
    at.settle()
    review = at.page.url.rsplit("#", 1)[1]
    case = at.page.locator(f"#{review}")
    case.get_by_text("Write findings").first.click()
    findings = Shown(at, "Write findings")
    findings.form = case.get_by_role("form")
    for n in (1, 2, 3):
        findings.form.get_by_label(f"Vera Reviewer {n} (invented)").check()
    findings.fill("Findings", "It was needed (invented)")
    findings.send("Make the file to sign")
    at.keep("findings")
    with at.page.expect_download() as saving:
        case.get_by_role("button", name=re.compile(r"^review-.*\.json$")).click()
    saving.value.save_as(tmp_path / "review.json")
    reviewers = [signed(tmp_path, f"v{n}", "review", "sign", tmp_path / "review.json", "--yes") for n in (1, 2, 3)]
    case.get_by_label("Choose the signed files").set_input_files(reviewers)
    case.get_by_role("button", name="Hand it in").click()
    case.get_by_text("upheld").first.wait_for()
    assert next(each for each in asked(at, "/v1/reviews")["items"] if each["id"] == review)["state"] == "upheld"


def test_an_appeal_is_taken_in_and_answered(at: Watched) -> None:
    at.go("/appeals?new=1")
    form = Shown(at, "Take in an appeal")
    form.send("Send the appeal")
    assert form.wrong() == dict.fromkeys(("terminal", "text", "received_by"), "Fill in this field.")
    form.fill("Terminal", "nobody")
    form.fill("Ground", "It was not my car (invented)")
    form.choose("Taken in by", "Gil Registrar (invented)")
    form.send("Send the appeal")
    assert form.form.locator(".problem").count() == 1
    form.fill("Terminal", "car")
    form.send("Send the appeal")
    at.page.wait_for_url(re.compile(r"/appeals/request-[0-9a-f]{32}$"))
    at.settle()
    name = at.page.url.rsplit("/", 1)[1]
    answer = Shown(at, "Answer")
    answer.choose("Outcome", "refused: the decision stands")
    answer.fill("Reason", "the speed was measured (invented)")
    answer.send("Put on record")
    at.page.get_by_text("the speed was measured (invented)").first.wait_for()
    assert asked(at, f"/v1/appeals/{name}")["outcome"] == "refused"


def test_charter_and_refused_acts_are_told(at: Watched) -> None:
    at.go("/charter")
    shown = at.page.inner_text("main")
    assert "Gil Registrar (invented)" in shown
    assert "3 of 5" in shown
    assert at.page.locator("#persons tbody tr").count() == len(asked(at, "/v1/charter")["persons"])
    at.go("/refusals")
    codes = [each["code"] for each in asked(at, "/v1/refusals")["items"]]
    assert codes
    assert [each.inner_text() for each in at.page.locator("main tbody td code").all() if each.inner_text() in codes]


def test_an_oversight_report_is_made_and_read(at: Watched) -> None:
    at.go("/oversight")
    form = Shown(at, "Make a report")
    form.fill("From", "2026-03-01")
    form.fill("Until", "2026-03-01")
    form.send("Make a report")
    assert form.form.locator(".problem").count() == 1
    form.choose("Edition", "full, with names and places")
    form.fill("Until", "2026-03-10")
    form.send("Make a report")
    at.page.locator("#made").wait_for(timeout=30_000)
    assert "of 33 questions" in at.page.locator("#made").inner_text()
    assert "How many terminals were denied, and by which rule?" in at.page.inner_text("main")
    at.keep("report")
    with at.page.expect_popup() as opened:
        at.page.get_by_role("link", name="Read it").click()
    opened.value.wait_for_load_state()
    assert "Oversight report" in opened.value.content()
    opened.value.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forms_are_for_everybody(at: Watched, theme: str) -> None:
    at.page.evaluate(f"localStorage.setItem('groundrule.settings', JSON.stringify({{theme: '{theme}'}}))")
    found = {}
    for address in FORMS:
        at.go(address)
        if "new=1" in address:
            at.page.locator("main form button[type=submit]").first.click()
        at.name = f"forms-{theme}"
        at.keep(address)
        found[address] = [] if not AXE.is_file() else violations(at.page)
    assert {address: each for address, each in found.items() if each} == {}


@pytest.mark.parametrize("language", ["de", "uk"])
def test_forms_fit_a_telephone_in_every_language(browser: Any, at: Watched, language: str) -> None:
    context = browser.new_context(viewport=NARROW, storage_state=at.page.context.storage_state())
    page = context.new_page()
    page.goto(at.origin + "/public")
    page.evaluate(f"localStorage.setItem('groundrule.settings', JSON.stringify({{language: '{language}'}}))")
    narrow = Watched.over(page, at.origin, f"forms-narrow-{language}")
    for address in FORMS:
        narrow.go(address)
        narrow.keep(address)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 1, address
        said = page.inner_text("main")
        for word in ("Fill in", "Record", "Draft", "Signed", "Who it is"):
            assert word not in said, (address, word)
    context.close()
