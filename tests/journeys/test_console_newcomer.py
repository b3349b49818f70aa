"""What somebody tries who has never seen the console: searching by what a thing does, names for ids, a small screen, wrong input.

Answers of the sky are made up on the way to the browser where a small home has none; everything else is a real service.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import small_home as sh
from console_tab import AXE, NARROW, NEEDS_BROWSER, Watched, launched, served, tab, violations
from governed_home import START, base_home, decided
from groundrule.instant import NS_PER_S

pytestmark = NEEDS_BROWSER

DESK = {"width": 1280, "height": 800}
THEN = "2026-03-02T10:03:00Z"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as made:
        yield made


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A car that is too fast, one that keeps to the limit, and one that stands in a closed zone."""
    home = base_home(tmp_path_factory.mktemp("newcomer") / "home")
    rows = [*sh.drive("car", 0, 12, lat=5, lon=5, km_h=148), *sh.drive("guest", 0, 10, lat=5, lon=15, km_h=60)]
    rows += [sh.observation("late payer", 10, 2.5, 2.5)]
    with home.writer():
        decided(home, sh.table(sorted(rows, key=lambda row: row["observed_at"])), at_ns=START + 3600 * NS_PER_S)
    with served(home.path) as found:
        yield found


@pytest.fixture
def desk(browser: Any, link: str, login: Path) -> Iterator[Watched]:
    yield from opened(browser, link, login, DESK)


@pytest.fixture
def phone(browser: Any, link: str, login: Path) -> Iterator[Watched]:
    yield from opened(browser, link, login, NARROW)


@pytest.fixture(scope="module")
def login(browser: Any, link: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Who is logged in: a link does that once."""
    kept = tmp_path_factory.mktemp("login") / "state.json"
    watched = tab(browser, link, "newcomer")
    watched.page.context.storage_state(path=kept)
    watched.page.context.close()
    return kept


def opened(browser: Any, link: str, login: Path, size: dict[str, int]) -> Iterator[Watched]:
    context = browser.new_context(locale="en-US", viewport=size, storage_state=str(login), reduced_motion="reduce")
    watched = Watched.over(context.new_page(), "{0.scheme}://{0.netloc}".format(urlsplit(link)), "newcomer")
    yield watched
    watched.clean(refused=True)
    context.close()


def asked(watched: Watched) -> dict[str, list[str]]:
    return parse_qs(urlsplit(watched.page.url).query)


def answers(watched: Watched, path: str, body: Any) -> None:
    watched.page.route(
        re.compile(re.escape(path) + r"(\?|$)"),
        lambda route: route.fulfill(status=200, content_type="application/json", body=json.dumps(body)),
    )


def apart(one: dict[str, float], other: dict[str, float]) -> bool:
    return (
        one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        or one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
    )  # fmt: skip


# --- finding ------------------------------------------------------------------------------------------------------------------


def test_a_refused_drone_is_found_by_what_it_does_and_nothing_calls_it_one(desk: Watched) -> None:
    page, begun = desk.page, time.monotonic()
    desk.go("/")
    page.locator("#find").fill("drone")
    page.keyboard.press("Enter")
    desk.settle()
    assert "No id contains “drone”" in page.inner_text("main")
    page.get_by_role("link", name="Denied, and moving fast").click()
    desk.settle()
    rows = page.locator("main tbody tr")
    assert rows.count() == 1
    assert [words for words in ("car", "Denied", "moves faster", "148 km/h", "Roam") if words not in rows.first.inner_text()] == []
    assert asked(desk) == {"outcome": ["deny"], "faster": ["100"]}
    rows.first.locator("a").first.click()
    desk.settle()
    said = page.inner_text("main")
    assert [words for words in ("Denied", "148 km/h", "Registered as", "Roam", "75 km/h") if words not in said] == []
    assert "drone" not in said.lower()
    assert time.monotonic() - begun < 60
    # Back leads to what was looked at, filters and all.
    page.go_back()
    desk.settle()
    assert page.locator("main tbody tr").count() == 1
    assert page.locator("input[name=faster]").input_value() == "100"


def test_filters_by_kind_reason_and_rule_stand_in_the_address(desk: Watched) -> None:
    page = desk.page
    desk.go("/terminals")
    page.locator("select[name=reason]").select_option("moving_too_fast_for_policy")
    desk.settle()
    assert page.locator("main tbody tr").count() == 1
    page.locator("main summary").click()
    page.locator("select[name=plan]").focus()
    page.locator("select[name=plan]").select_option("roam")
    desk.settle()
    assert asked(desk) == {"reason": ["moving_too_fast_for_policy"], "plan": ["roam"]}
    # Whoever chooses by keyboard stays where they are.
    assert page.evaluate("document.activeElement.name") == "plan"
    desk.go("/terminals?rule=too-fast&slower=200")
    assert page.locator("main tbody tr").count() == 1
    assert page.locator("select[name=rule]").input_value() == "too-fast"
    page.get_by_role("link", name="Clear").click()
    desk.settle()
    assert page.locator("main tbody tr").count() == 3


WRONG = ("faster=fast", "faster=-5", "slower=1e99", "plan=%3Cimg%3E", "outcome=drone", "area=nowhere", "limit=0")


@pytest.mark.parametrize("address", WRONG)
def test_a_wrong_address_is_survived_and_says_so(desk: Watched, address: str) -> None:
    desk.go(f"/terminals?{address}")
    said = desk.page.inner_text("main")
    assert "Terminals" in said
    assert desk.page.locator("main table, main .empty, main .problem").count() == 1, said
    assert "undefined" not in said
    assert "NaN" not in said


def test_an_area_is_found_by_its_name_and_doubt_is_asked_about(desk: Watched) -> None:
    page = desk.page
    desk.go("/terminals")
    field = page.get_by_label("Area or country")
    field.fill("Belgium")
    page.keyboard.press("Enter")
    desk.settle()
    assert asked(desk) == {"area": ["country:BE"]}
    assert page.locator("main tbody th").all_inner_texts() == ["guest"]
    assert field.input_value() == "Belgium"
    field.fill("atlantis")
    page.keyboard.press("Enter")
    assert "No area is called “atlantis”" in page.get_by_role("alert").inner_text()
    assert asked(desk) == {"area": ["country:BE"]}, "what cannot be meant changes nothing"
    field.fill("land")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_role("button", name="Austria").click()
    desk.settle()
    assert asked(desk) == {"area": ["country:AT"]}
    names = page.eval_on_selector_all("datalist option", "all => all.map(each => each.value)")
    assert {"Austria", "Belgium", "Closed zone (invented)"} <= set(names)
    if AXE.is_file():
        assert violations(page) == []


# --- maps -----------------------------------------------------------------------------------------------------------------------


def ready(watched: Watched) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and not watched.page.evaluate("Boolean(window.groundruleMap && window.groundruleMap.loaded())"):
        watched.page.wait_for_timeout(100)
    assert watched.page.evaluate("window.groundruleMap.loaded()")


def test_the_table_stands_beside_the_map_and_never_over_it(desk: Watched) -> None:
    page = desk.page
    desk.go("/map?table=1")
    ready(desk)
    canvas, table = page.locator(".map-holder canvas"), page.locator(".map-table")

    def fits() -> None:
        page.wait_for_timeout(300)
        box = canvas.bounding_box()
        assert apart(box, table.bounding_box())
        assert page.locator(".map-holder").bounding_box()["height"] == pytest.approx(box["height"], abs=1)
        share = page.evaluate("window.groundruleMap.getPixelRatio()")
        assert page.evaluate("document.querySelector('.map-holder canvas').height") == pytest.approx(box["height"] * share, abs=2)
        # Every tenth of the picture has more than one colour: none of it is blank or torn away.
        picture = page.evaluate(STRIPES)
        assert min(picture) > 1, picture

    fits()
    page.set_viewport_size({"width": 1000, "height": 700})
    fits()
    assert page.locator(".map-table thead th").last.is_visible()
    # A table that is wider than its box scrolls in the box; the page does not.
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.locator(".map-table .icon-button").click()
    page.wait_for_timeout(300)
    assert canvas.bounding_box()["height"] == pytest.approx(page.locator(".map-stage").bounding_box()["height"], abs=1)


STRIPES = """() => {
  const canvas = document.querySelector('.map-holder canvas');
  const copy = document.createElement('canvas'); copy.width = canvas.width; copy.height = canvas.height;
  const pen = copy.getContext('2d'); pen.drawImage(canvas, 0, 0);
  const found = [];
  for (let k = 0; k < 4; k++) {
    const data = pen.getImageData(0, Math.floor(k * copy.height / 4), copy.width, Math.floor(copy.height / 4)).data;
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4 * 7) colours.add(data[i] + ',' + data[i + 1] + ',' + data[i + 2] + ',' + data[i + 3]);
    found.push(colours.size);
  }
  return found;
}"""


def test_on_a_telephone_nothing_covers_the_legend(phone: Watched) -> None:
    page = phone.page
    for address in ("/map", "/satellites", "/interference"):
        phone.go(address)
        legend, tools = page.locator(".map-legend"), page.locator(".map-tools")
        assert apart(legend.bounding_box(), tools.bounding_box()), address
        legend.locator("button").first.click()
        assert legend.locator("button").first.get_attribute("aria-expanded") == "true"
        page.wait_for_timeout(100)
        assert apart(legend.bounding_box(), tools.bounding_box()), address


def test_while_the_time_is_asked_for_none_is_shown(desk: Watched) -> None:
    page = desk.page
    held, open_again = list[Any](), False
    page.route(re.compile(r"/v1/status$"), lambda route: route.continue_() if open_again else held.append(route))
    page.goto(f"{desk.origin}/map")
    shown = page.locator(".time-shown")
    shown.wait_for()
    assert "Loading" in shown.inner_text()
    assert page.locator(".slider input").is_disabled()
    open_again = True
    for route in held:
        route.continue_()
    page.get_by_text("2026-03-02 10:02:45 UTC").first.wait_for(timeout=10_000)
    assert not page.locator(".slider input").is_disabled()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/map?at=foo", "“foo” is no time"), ("/satellites?at=foo", "“foo” is no time"),
        ("/map?at=2099-01-01T00:00:00Z", "No answers are known"),
        ("/map?terminal=nope", "no such thing"), ("/map?area=nope", "no such thing"), ("/satellites?terminal=nope", "no such thing"),
        ("/terminals/car?at=2020-01-01T00:00:00Z", "Nothing was decided about this terminal up to that time"),
        ("/verifications?terminal=nope", "None fits"), ("/interference?until=foo", "is not a time"),
    ],
)  # fmt: skip
def test_a_wrong_address_of_a_page_is_answered_in_words(desk: Watched, address: str, words: str) -> None:
    page = desk.page
    page.goto(desk.origin + address)
    page.get_by_text(words).first.wait_for(timeout=10_000)
    assert "could not be drawn" not in page.inner_text("main")


# --- the sky --------------------------------------------------------------------------------------------------------------------


def sky(watched: Watched, satellites: int) -> None:
    shell = {"id": "shell-generated", "satellites": satellites, "usable": satellites, "stale": 0, "future": 0, "failed": 0,
             "newest_epoch": THEN, "oldest_epoch": THEN, "median_age_days": 0.1, "grades": ["raw"], "forms": ["tle"], "sources": ["x"],
             "generated": True, "incomplete": None}  # fmt: skip
    old = shell | {"usable": 0, "stale": satellites}
    page = watched.page

    def status(route: Any) -> None:
        then = "at=" in route.request.url
        at = THEN if then else "2026-11-23T12:00:00Z"
        body = {"at": at, "elements": satellites, "digest": "0" * 64, "constellations": [shell if then else old]}
        route.fulfill(status=200, content_type="application/json", body=json.dumps(body))

    page.route(re.compile(r"/v1/satellites(\?|$)"), status)
    lon, lat = [(k * 7.3) % 360 - 180 for k in range(satellites)], [(k * 3.1) % 110 - 55 for k in range(satellites)]
    answers(watched, "/v1/satellites/positions", {
        "at": THEN, "total": satellites, "without_position": 0, "constellations": ["shell-generated"], "satellite": list(range(satellites)),
        "name": [f"S {k}" for k in range(satellites)], "constellation": [0] * satellites, "lon": lon, "lat": lat,
        "height_km": [550.0] * satellites, "age_h": [1.0] * satellites, "next": None,
    })  # fmt: skip
    answers(watched, "/v1/satellites/visible", {
        "at": THEN, "lat": 5, "lon": 5, "mask_deg": 25, "total": 0, "constellations": [], "satellites": [], "without_position": 0,
        "incomplete": {}, "meaning": "",
    })  # fmt: skip


def test_satellites_above_a_terminal_are_those_of_its_decision(desk: Watched) -> None:
    page = desk.page
    desk.go("/terminals/car")
    wanted = page.get_by_role("link", name="Satellites above it").get_attribute("href")
    assert parse_qs(urlsplit(wanted).query)["at"] == ["2026-03-02T10:02:45Z"]
    # And where no elements serve for the present, the page goes to a time at which they do by itself.
    sky(desk, 3)
    desk.go("/satellites")
    assert asked(desk)["at"] == [THEN]
    assert page.get_by_role("button", name="Live").count() == 0
    assert "2026-03-02 10:03:00 UTC" in page.inner_text(".time-shown")


def test_a_click_on_the_world_means_the_place_and_from_near_a_satellite(desk: Watched) -> None:
    page = desk.page
    sky(desk, 1_000)
    desk.go(f"/satellites?at={THEN}")
    ready(desk)
    box = page.locator(".map-holder canvas").bounding_box()
    spot = page.evaluate("(() => { const at = window.groundruleMap.project([5.5, 5]); return [at.x, at.y]; })()")
    # Straight on a satellite, as it nearly always is from so far away.
    page.evaluate("window.groundruleMap.getCanvas().focus()")
    page.mouse.click(box["x"] + spot[0], box["y"] + spot[1])
    page.wait_for_timeout(500)
    assert "place" in asked(desk)
    assert "satellite" not in asked(desk)
    desk.settle()
    assert "Terminals here" in page.inner_text(".map-side")
    desk.go(f"/satellites?at={THEN}&look=0,5,6")
    ready(desk)
    hit = page.evaluate(
        "(() => { const map = window.groundruleMap; const all = map.queryRenderedFeatures({layers: ['satellites']});"
        " const at = map.project(all[0].geometry.coordinates); return [at.x, at.y]; })()"
    )
    page.mouse.click(box["x"] + hit[0], box["y"] + hit[1])
    page.wait_for_timeout(500)
    assert "satellite" in asked(desk)


def test_a_disturbed_cell_says_where_it_is_and_is_flown_to(desk: Watched) -> None:
    page = desk.page

    def cell(name: str, lon: float, lat: float, kind: str) -> dict[str, Any]:
        ring = [[lon, lat], [lon + 1, lat], [lon + 1, lat + 1], [lon, lat + 1], [lon, lat]]
        told = {"h3_cell": name, "kind": kind, "terminals": 41, "share": 0.8}
        told |= {"from": "2026-03-02T10:00:00Z", "until": "2026-03-02T10:30:00Z"}
        return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": told}

    cells = [cell("one", 5, 5, "jump"), cell("two", 14, 3, "lost"), cell("three", -140, -50, "jump")]
    answers(desk, "/v1/interference", {
        "state": "ready", "from": "2026-03-01T10:30:00Z", "until": "2026-03-02T10:30:00Z", "seen_rows": 900, "terminals": 80,
        "suspended": 9, "internal": True, "least_terminals": 20, "least_holders": 5,
        "cells": {"type": "FeatureCollection", "features": cells},
    })  # fmt: skip
    desk.go("/interference")
    ready(desk)
    page.locator(".map-side tbody tr").first.wait_for()
    page.get_by_text("Austria").first.wait_for()
    names = page.locator(".map-side tbody th").all_inner_texts()
    assert names[0].startswith("Austria, ")
    assert names[1].startswith("Belgium, ")
    assert names[2] == "High seas"
    page.locator(".map-side tbody th button").nth(1).click()
    page.wait_for_timeout(800)
    centre = page.evaluate("(map => [map.getCenter().lng, map.getCenter().lat, map.getZoom()])(window.groundruleMap)")
    assert centre[0] == pytest.approx(14.5, abs=0.2)
    assert centre[1] == pytest.approx(3.5, abs=0.2)
    assert centre[2] > 4
    assert asked(desk)["cell"][0].startswith("two lost")
    assert page.locator(".map-side tbody tr[aria-current=true]").count() == 1
    # An address with a cell opens there.
    page.reload()
    desk.settle()
    ready(desk)
    page.wait_for_timeout(800)
    assert page.evaluate("window.groundruleMap.getCenter().lng") == pytest.approx(14.5, abs=0.2)
    if AXE.is_file():
        assert violations(page) == []
