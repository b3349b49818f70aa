"""Cases in a real browser: gone through by keyboard, decided with a reason, undone, and read by nobody else.

Needs Chromium, playwright and the built console.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import small_home as sh
from console import groundrule
from console_tab import NARROW, NEEDS_BROWSER, Watched, launched, served, tab, violations
from groundrule.detect.case_states import DISMISSALS
from groundrule.detect.signals import KINDS, Offending, Signal, table_of
from groundrule.instant import NS_PER_S
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from groundrule.store.signals import SIGNALS
from small_home import T0

pytestmark = NEEDS_BROWSER
HOSTILE = '<img src=x onerror="window.__ran.push(1)">'
DAY = 86_400

# A stream of events into which the test speaks.
EVENTS = """
window.__events = [];
window.EventSource = class extends EventTarget {
  constructor() { super(); window.__events.push(this); setTimeout(() => this.onopen?.(), 0); }
  close() {}
};
"""


def signal(kind: str, terminal: str, at_s: float, strength: float, **more: Any) -> Signal:
    at = T0 + round(at_s * NS_PER_S)
    seen = tuple(Offending(at - k * 15 * NS_PER_S, 5.0 + 0.01 * k, 6.0 + 0.01 * k, 8.0) for k in (2, 1, 0))
    return Signal(kind, terminal, at, at - 30 * NS_PER_S, strength, 5.0, 6.0, offending=seen, **more)


MADE = (
    signal("drone_flight", "car", 60, 0.9, found=(("speed_after_launch", 171.5, "km/h"), ("straightness", 0.99, "1"))),
    signal("straw_registration", "car", 120, 0.8, found=(("devices of one registrant", 12.0, ""),), group="party:p-1"),
    signal("cloned_identity", HOSTILE, 3 * DAY, 0.9, found=(("apart", 41_250.0, "m"), ("over", 5_400.0, "s"))),
    signal("border_crossing", "van", 9 * DAY, 0.4, group="border:AT-BE", found=(("time inside", 600.0, "s"),)),
    signal("gnss_inhibited", "train", 20 * DAY, 0.3, found=(("time switched off", 12.0, "min"),)),
    signal("over_speed", "bus", 30 * DAY, 0.1), signal("displaced_fix", "car", 61, 0.5),
)  # fmt: skip


def cases_home(path: Path, signals: tuple[Signal, ...] = MADE) -> Home:
    """A home with decisions about a car, and signals that make four cases that are shown and one that weighs too little."""
    home = sh.make_home(path, ledger=LedgerSetup())
    sh.run(home, sh.table(sh.drive("car", 0, 8, lat=5, lon=6, km_h=60)))
    if signals:
        SIGNALS.write(home, table_of(signals))
    return home


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as made:
        yield made


def rows(page: Any) -> list[str]:
    found: list[str] = page.locator("[data-case]").evaluate_all("all => all.map(each => each.firstChild.textContent)")
    return found


def focused(page: Any) -> str:
    text: str = page.evaluate("document.activeElement.firstChild?.textContent ?? ''")
    return text


def press(watched: Watched, key: str) -> None:
    watched.page.keyboard.press(key)
    watched.settle()


def link_for(home: Home, role: str) -> str:
    """A link that logs in with one role."""
    said = groundrule("access", "login", "--home", home.path, "--role", role)
    assert said.code == 0, said
    return next(line.strip() for line in said.out.splitlines() if "/login#token=" in line)


def told(page: Any, path: str) -> Any:
    return page.evaluate("path => fetch(path).then(answer => answer.json())", path)


def test_cases_are_triaged_by_keyboard_alone(tmp_path: Path, browser: Any) -> None:
    home = cases_home(tmp_path / "home")
    with served(home.path) as link:
        watched = tab(browser, link, "cases")
        page = watched.page
        watched.go("/")
        page.keyboard.press("g")
        page.keyboard.press("z")
        watched.settle()
        assert page.url.endswith("/cases")
        before = rows(page)
        assert len(before) == 4
        assert before[0].startswith("Flight like a drone's")

        # j, k and arrows go through the list; its ends hold; the row that has the focus is the one that is chosen.
        press(watched, "j")
        assert focused(page) == before[0]
        for key, at in (("j", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("k", 0), ("k", 0)):
            press(watched, key)
            assert focused(page) == before[at], key
        assert page.locator("tr[aria-current]").count() == 1
        described = page.evaluate("document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent")
        assert "1 of 4" in described
        assert violations(page) == []
        watched.keep("cases")

        press(watched, "?")
        assert "On this page" in page.inner_text("dialog")
        assert "Dismiss, with a reason" in page.inner_text("dialog")
        press(watched, "j")  # keys of the page are silent behind a window
        press(watched, "Escape")
        assert focused(page) == before[0]

        press(watched, "a")
        assert "Assigned to you" in page.inner_text("[role=status].case-said")
        assert "assigned" in page.inner_text("tr[aria-current]")
        assert focused(page) == before[0]

        # Dismissing asks, and sends nothing without a reason.
        press(watched, "j")
        press(watched, "d")
        dialog = page.locator("dialog")
        assert dialog.locator("input[type=radio]").count() == len(DISMISSALS)
        assert "the 1 signal that you see" in dialog.inner_text()
        assert page.evaluate("document.activeElement.name") == "reason"
        assert violations(page) == []
        watched.keep("dismiss")
        dialog.locator("button[type=submit]").click()
        watched.settle()
        assert dialog.count() == 1
        dialog.locator("input[type=radio]").first.focus()
        press(watched, "ArrowUp")  # from the first reason to the last
        press(watched, "Enter")
        assert dialog.count() == 0
        assert before[1] not in rows(page)
        assert focused(page) == before[2]
        assert "Dismissed" in page.inner_text("[role=status].case-said")

        # What is undone is open again; hands that do not wait for the window write into it.
        page.keyboard.press("r")
        page.keyboard.type("The wrong row")
        assert page.input_value("dialog textarea") == "The wrong row"
        page.locator("dialog button[type=submit]").click()
        watched.settle()
        assert sorted(rows(page)) == sorted(before)

        # Enter opens; there the same letters act.
        press(watched, "k")
        press(watched, "k")
        press(watched, "k")
        assert focused(page) == before[0]
        press(watched, "Enter")
        assert re.search(r"/cases/case-[0-9a-f]{16}$", page.url)
        case = told(page, f"/v1{page.url.removeprefix(watched.origin)}")
        press(watched, "c")
        assert "these 2 signals" in page.inner_text("dialog")
        page.locator("dialog button[type=submit]").click()
        watched.settle()
        done = told(page, f"/v1/cases/{case['id']}")
        assert (done["state"], [each["what"] for each in done["acts"]]) == ("confirmed", ["assign", "confirm"])
        assert done["acts"][-1]["covers"] == 2
        press(watched, "c")  # not once more
        assert "Not possible now" in page.inner_text("[role=status].case-said")
        assert page.locator("dialog").count() == 0
        watched.go("/cases?state=confirmed")
        assert rows(page) == [before[0]]
        watched.clean()
        page.context.close()


def test_the_pages_say_what_was_seen_in_words_and_how_often_that_is_wrong(tmp_path: Path, browser: Any) -> None:
    home = cases_home(tmp_path / "home")
    with served(home.path) as link:
        watched = tab(browser, link, "seen")
        page = watched.page
        watched.go("/cases")
        page.locator("[data-case]").first.click()
        watched.settle()
        page.locator("canvas.maplibregl-canvas").wait_for()
        said = page.inner_text("main")
        for words in (
            "speed after a launch: 172 km/h", "straight: 99%", "devices in one name: 12", "party p-1", "What else looks like it",
            "never a switch", "rule of thumb",
        ):  # fmt: skip
            assert words in said, words
        assert not re.search(r"guilty|offender|criminal|culprit|suspect", said, re.IGNORECASE)
        assert page.locator("#follows a[href^='/proposals']").count() == 1
        assert violations(page) == []
        watched.keep("case")

        # Names and notes that mean harm stay names and notes.
        watched.go("/cases?kind=cloned_identity")
        assert HOSTILE in page.inner_text("main")
        page.locator("[data-case]").first.click()
        watched.settle()
        assert "apart: 41.3 km" in page.inner_text("main")
        assert "over: 90 minutes" in page.inner_text("main")
        press(watched, "n")
        page.locator("dialog textarea").fill(HOSTILE * 2)
        page.locator("dialog button[type=submit]").click()
        watched.settle()
        assert HOSTILE * 2 in page.inner_text("main .timeline")
        assert page.evaluate("window.__ran") == []

        watched.go("/signals")
        assert page.locator("main tbody tr").count() == len(MADE)
        found = page.locator("main tbody tr", has_text="border crossed")
        assert "time inside: 10 minutes" in found.inner_text()
        assert page.locator("main tbody tr", has_text="displaced").locator("th a").count() == 0  # bad data makes no case
        assert violations(page) == []
        watched.keep("signals")
        found.locator("th a").click()
        watched.settle()
        assert page.inner_text("h1") == "Border crossed"

        watched.go("/behaviours")
        for kind in KINDS:
            assert page.locator(f"section#{kind}").count() == 1, kind
        answer = {each["kind"]: each for each in told(page, "/v1/behaviours")["items"]}
        for kind, each in answer.items():
            assert ("not measured" in page.inner_text(f"section#{kind}")) == (each["measured"] is None), kind
        assert violations(page) == []
        watched.keep("behaviours")
        page.locator("select[name=one_in]").select_option(label="one in 1,000")
        watched.settle()
        assert "one_in=1000" in page.url

        watched.go("/terminals/car")
        assert "flight like a drone's" in page.inner_text("#signals")
        assert page.locator("#signals a[href^='/cases/case-']").count() >= 1
        watched.keep("terminal")

        watched.go("/map?look=5,6,7")
        page.get_by_label("Signals that count").check()
        watched.settle()
        page.wait_for_function("window.groundruleMap?.queryRenderedFeatures({layers: ['signals']}).length >= 2")
        watched.keep("map")

        watched.go("/cases?state=all&kind=nothing&terminal=none")
        assert "No case is like that" in page.inner_text("main")
        watched.go("/cases/case-0")
        assert "no such case" in page.inner_text("main")
        watched.clean(refused=True)
        page.context.close()


@pytest.mark.parametrize("language", ["de", "uk"])
def test_the_pages_fit_a_telephone_in_the_dark_and_in_other_languages(tmp_path: Path, browser: Any, language: str) -> None:
    home = cases_home(tmp_path / "home")
    with served(home.path) as link:
        page = browser.new_context(locale="en-US", viewport=NARROW, color_scheme="dark").new_page()
        watched = Watched(page, link, f"narrow-{language}")
        page.evaluate("language => localStorage.setItem('groundrule.settings', JSON.stringify({language, theme: 'dark'}))", language)
        for address in ("/cases", "/signals", "/behaviours"):
            watched.go(address)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
            assert violations(page) == [], address
            watched.keep(address)
        watched.go("/cases")
        page.locator("[data-case]").first.click()
        watched.settle()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert violations(page) == []
        watched.keep("case")
        page.locator("#do button").last.scroll_into_view_if_needed()
        press(watched, "d")
        assert page.locator("dialog input[type=radio]").count() == len(DISMISSALS)
        assert violations(page) == []
        watched.keep("dismiss")
        watched.clean()
        page.context.close()


def test_an_empty_list_helps_and_roles_see_what_they_may(tmp_path: Path, browser: Any) -> None:
    home = cases_home(tmp_path / "home", ())
    with served(home.path) as link:
        watched = tab(browser, link, "empty")
        page = watched.page
        page.add_init_script(EVENTS)
        watched.go("/cases")
        assert "No cases wait." in page.inner_text("main")
        assert "--keep" in page.inner_text("main")
        watched.keep("cases")

        # What comes is told, and the list is read again when its reader says so.
        SIGNALS.write(home, table_of(MADE))
        page.evaluate("window.__events.forEach(each => each.dispatchEvent(new MessageEvent('signal.raised', {data: '{}'})))")
        watched.settle()
        assert "1 signal came or went" in page.inner_text("main")
        assert rows(page) == []
        page.get_by_role("button", name="Read again").click()
        watched.settle()
        assert len(rows(page)) == 4
        assert "came or went" not in page.inner_text("main")
        watched.clean()
        page.context.close()

        watched = tab(browser, link_for(home, "auditor"), "auditor")
        page = watched.page
        watched.go("/cases")
        page.locator("[data-case]").first.click()
        watched.settle()
        assert page.locator("#do").count() == 0
        page.keyboard.type("acdrn")
        watched.settle()
        assert page.locator("dialog, .case-said *").count() == 0
        watched.clean()
        page.context.close()

        watched = tab(browser, link_for(home, "viewer"), "viewer")
        page = watched.page
        assert page.locator("nav a[href='/cases']").count() == 0
        for address in ("/cases/case-0", "/signals", "/behaviours"):
            watched.go(address)
            assert "cases:read" in page.inner_text("main"), address
        watched.go("/terminals/car")
        assert page.locator("#signals").count() == 0
        watched.go("/map?signals=1")
        assert page.get_by_label("Signals that count").count() == 0
        watched.clean()
        page.context.close()
