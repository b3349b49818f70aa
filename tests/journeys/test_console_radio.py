"""Satellites, one verification and interference in a real browser: what the pages say is what the service says.

Needs Chromium, playwright and the built console. One tab walks through all of it.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import radio_world
import small_home as sh
from console_tab import NEEDS_BROWSER, launched, served, tab
from groundrule.instant import NS_PER_S
from groundrule.orbit.generate import generate
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from groundrule.store.orbits import save_elements
from groundrule.store.verifications import write_verifications
from groundrule.verify.assemble import assemble
from groundrule.verify.judge import verify_batch
from groundrule.verify.kept import report_to_json
from groundrule.verify.measurements import clean
from groundrule.verify.records import to_table
from groundrule.verify.report import reports
from radio_world import Truth, World

pytestmark = NEEDS_BROWSER
HOSTILE = '<img src=x onerror="window.__ran.push(1)">'


def radio_home(path: Path) -> Home:
    """A home with decisions, satellites of this hour, a liar, an honest terminal, and one whose name means harm."""
    home = sh.make_home(path, ledger=LedgerSetup())
    sh.run(home, sh.table(sh.drive("car", 0, 5, lat=5, lon=5, km_h=30)))
    now = time.time_ns()
    for name in ("iridium", "oneweb"):
        save_elements(home, generate(name, now - 3_600 * NS_PER_S), now)
    world = World(seed=3)
    terminals = [Truth("car", claim=(51.25, 22.57)), Truth("guest", 44.0, 33.0), Truth(HOSTILE, 45.0, 35.0)]
    rows = [row for who in terminals for row in world.measure(who, world.schedule(who.lat_deg, who.lon_deg, 4), step_s=3.0)]
    cases = assemble(clean(radio_world.table(rows)), world.elements, world.claims(terminals, 60))
    found = reports(cases, verify_batch(cases.case))
    write_verifications(home, to_table(found).append_column("report", [[report_to_json(each) for each in found]]))
    return home


def told(page: Any, path: str) -> Any:
    return page.evaluate("path => fetch(path).then(answer => answer.json())", path)


def test_the_pages_of_radio_say_what_the_service_says(tmp_path: Path) -> None:
    home = radio_home(tmp_path / "home")
    with served(home.path) as link, launched() as browser:
        watched = tab(browser, link, "radio")
        page = watched.page

        at = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime())
        watched.go(f"/satellites?place=46.48,30.73&at={at}")
        want = told(page, f"/v1/satellites/visible?lat=46.48&lon=30.73&mask=25&at={at}")["total"]
        page.locator(".map-side .sentence").wait_for()
        assert re.search(r"\d+", page.inner_text(".map-side .sentence"))[0] == str(want)
        legend = page.inner_text(".map-legend")
        assert "oneweb-generated" in legend
        assert "generated, not real" in legend
        page.locator(".mask input").fill("60")
        page.wait_for_timeout(600)  # a slider is followed after a moment
        high = told(page, f"/v1/satellites/visible?lat=46.48&lon=30.73&mask=60&at={at}")["total"]
        watched.settle()
        assert re.search(r"\d+", page.inner_text(".map-side .sentence"))[0] == str(high)
        assert high < want
        watched.keep("satellites")
        stage = page.locator(".map-holder canvas").bounding_box()
        page.mouse.click(stage["x"] + stage["width"] * 0.7, stage["y"] + stage["height"] * 0.45)
        page.wait_for_timeout(600)
        assert "place=46.48" not in page.url

        watched.go("/verifications?verdict=inconsistent")
        assert page.locator("main tbody tr").count() == 1
        page.locator("main tbody th a").click()
        watched.settle()
        said = page.inner_text("main")
        for words in ("contradicts the report", "contradicts", "also a hidden delay (A1)", "51.2500° N, 22.5700° E"):
            assert words in said
        assert page.locator(".drawn-legend li").count() >= 4
        page.get_by_role("button", name="Near").click()
        with page.expect_download() as waiting:
            page.get_by_role("link", name="PNG").click()
        assert Path(waiting.value.path()).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        watched.keep("verification")
        page.get_by_role("link", name="All of this terminal").click()
        watched.settle()
        assert page.locator("main tbody tr").count() == 1

        # A name that means harm stays a name.
        watched.go("/verifications")
        assert HOSTILE in page.inner_text("main")
        page.locator("main tbody tr", has_text=HOSTILE).locator("th a").click()
        watched.settle()
        assert HOSTILE in page.inner_text("h1")
        assert page.evaluate("window.__ran") == []

        watched.go("/interference")
        page.get_by_text("No disturbed area").wait_for(timeout=20_000)
        watched.keep("interference")
        watched.clean()
        page.context.close()
