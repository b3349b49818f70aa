"""The live map in a browser: frames a second while a reader pans over 100,000 terminals, flat and on the globe, at several zooms.

A real `groundrule serve` of a home whose whole fleet has reported; Chromium opens the console by its login link and pans as a hand does:
legs of 0.8 s at constant speed to the east, a rest of 0.3 s after each. After each leg the console asks the service for what is
now in view and draws it, during the next leg. One scene has the fleet reporting meanwhile, every terminal once in 15 s.

Counted in the page, during legs only: animation frames (`requestAnimationFrame`) and those of them in which the map was drawn, which are
the figure; the time from one to the next, the first of a leg from its beginning; and frames that took longer than 50 ms. CPU time of
all processes of the browser [ms a frame] stands beside it: it survives a busy machine, frames a second do not. Where frames are slow, the
console draws fewer pixels while the map moves; which share of them it ends at is a figure too.

Peer: an empty map of the same size, made of the same library in the same page under the same panels, panned in the same way: what is
beyond it, our layers cost. No page draws more than 60 frames a second; the ratio is therefore that of CPU time a frame. Drawn by
software (SwiftShader on the processor), so a graphics card can only be faster.

Checked: the map draws cells or points of each scene, every terminal of the view is counted, and no request failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from groundrule.api.serving import open_desk
from groundrule.api.settings import Settings
from groundrule.pipeline.home import create_home
from live import Fleet
from service import ARROW, SETTINGS, Connection, as_arrow, free_port, request

GOAL_FRAMES = 30.0
LONG_MS = 50.0
LEAST_FRAMES = 30
REPORT_S = 15.0
DRAW_BY_SOFTWARE = (
    "--no-sandbox",
    # As a browser does without a graphics card: pages are put together on the processor, and WebGL is drawn there as well.
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    # A page that is driven keeps a copy of each frame for screenshots; readers' pages do not, so neither does this one.
    "--disable-blink-features=AutomationControlled",
)


@dataclass(frozen=True)
class Scene:
    """What is panned: [degree], zoom of a web map with tiles of 512 pixels; `fleet` reports meanwhile."""

    name: str
    globe: bool
    lat: float
    lon: float
    zoom: float
    reporting: bool = False


SCENES = (
    Scene("flat world", False, 28, -8, 1.3),
    Scene("flat continents", False, 45, 0, 3.2),
    Scene("flat continents, fleet reporting", False, 45, 0, 3.2, True),
    Scene("flat countries", False, 48, 0, 4.6),
    Scene("flat most points", False, 48, 0, 5.4),
    Scene("flat region", False, 48, 0, 7.5),
    Scene("globe world", True, 30, 22, 2.2),
    Scene("globe continents", True, 45, 0, 3.6),
    Scene("globe most points", True, 48, 0, 5.4),
)

PAN = """async ({seconds, least, speed, leg_ms, rest_ms, mine}) => {
  const map = mine ? window.groundruleMap : window.emptyMap;
  const sleep = ms => new Promise(done => setTimeout(done, ms));
  const gaps = [], begun = performance.now();
  let moving = 0, animated = 0, last = 0, on = false, share = 1;
  const onRender = () => { if (!on) return; const now = performance.now(); gaps.push(now - last); last = now;
    share = map.getPixelRatio() / devicePixelRatio; };
  const onFrame = () => { if (!on) return; animated += 1; requestAnimationFrame(onFrame); };
  map.on('render', onRender);
  while (performance.now() - begun < seconds * 1000 || (gaps.length < least && performance.now() - begun < 60000)) {
    const ended = new Promise(done => map.once('moveend', done)), from = performance.now();
    last = from;
    on = true;
    map.panBy([speed * leg_ms / 1000, 0], {duration: leg_ms, easing: t => t, essential: true});
    requestAnimationFrame(onFrame);
    await ended;
    on = false;
    moving += performance.now() - from;
    await sleep(rest_ms);
  }
  map.off('render', onRender);
  return {gaps, animated, moving_s: moving / 1000, share};
}"""

EMPTY = """async () => {
  const mine = window.groundruleMap, theirs = mine.getContainer(), holder = document.createElement('div');
  holder.className = 'map-holder';
  theirs.after(holder);
  window.emptyMap = new mine.constructor({
    container: holder, center: mine.getCenter(), zoom: mine.getZoom(), maxZoom: 17, attributionControl: false, fadeDuration: 0,
    style: {version: 8, projection: mine.getProjection() ?? {type: 'mercator'}, sources: {},
            layers: [{id: 'sea', type: 'background', paint: {'background-color': '#dce8ef'}}]},
  });
  theirs.style.visibility = 'hidden';
  await new Promise(done => window.emptyMap.once('idle', done));
  return [window.emptyMap, mine].map(each => [each.getCanvas().width, each.getCanvas().height].join(' x '));
}"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminals", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=6.0, help="of panning, of each scene and of its peer")
    parser.add_argument("--speed", type=float, default=600.0, help="[pixel/s]")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scene", action="append", help="only scenes whose name holds this; repeatable")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--profile", type=Path, help="folder for a CPU profile of each scene (Chromium's, to be opened in its tools)")
    return parser.parse_args()


# --- the service ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(home: Path, folder: Path) -> Iterator[tuple[int, str]]:
    """The service of a home; its port and a login link."""
    port = free_port()
    settings = folder / "settings.toml"
    settings.write_text(SETTINGS.format(port=port), encoding="utf-8")
    told = [sys.executable, "-m", "groundrule", "serve", "--home", str(home), "--settings", str(settings)]
    with subprocess.Popen(told, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout is not None
        link = next((line.strip() for line in process.stdout if "/login#token=" in line), "")
        if not link:
            raise SystemExit("the service did not start")
        try:
            yield port, link
        finally:
            process.terminate()


async def report(
    port: int, key: str, fleet: Fleet, number: int, rows: int, until: threading.Event | None = None, pause_s: float = 0.0
) -> int:
    """Let the fleet report once, in batches; returns how many rows were acknowledged."""
    connection = await Connection.open(port)
    sent = 0
    for batch in fleet.round(number, rows):
        if until is not None and until.is_set():
            break
        status, body = await connection.ask(request("/v1/observations", key, as_arrow(batch), ARROW))
        if status != 200:
            raise SystemExit(f"status {status}: {body[:300]!r}")
        sent += len(batch)
        await asyncio.sleep(pause_s)
    return sent


class Reporting:
    """The fleet reports in a thread of its own, each terminal once in 15 s, until it is told to end."""

    def __init__(self, port: int, key: str, fleet: Fleet, rows: int = 1_000) -> None:
        self._ended = threading.Event()
        self.sent = 0
        self._asked = port, key, fleet, rows
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        port, key, fleet, rows = self._asked
        number = 1
        while not self._ended.is_set():
            pause_s = REPORT_S * rows / len(fleet.ids)
            self.sent += asyncio.run(report(port, key, fleet, number, rows, self._ended, pause_s))
            number += 1

    def __enter__(self) -> Reporting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


# --- the browser ----------------------------------------------------------------------------------------------------------


def cpu_s(browser: Browser) -> dict[str, float]:
    """CPU time of the browser's processes so far, by kind [s]."""
    session = browser.new_browser_cdp_session()
    found: dict[str, float] = {}
    for each in session.send("SystemInfo.getProcessInfo")["processInfo"]:
        found[each["type"]] = found.get(each["type"], 0.0) + each["cpuTime"]
    session.detach()
    return found


def measured(browser: Browser, page: Page, asked: argparse.Namespace, *, mine: bool) -> dict[str, Any]:
    """Pan one of the two maps."""
    given = {"seconds": asked.seconds, "least": LEAST_FRAMES, "speed": asked.speed, "leg_ms": 800, "rest_ms": 300, "mine": mine}
    page.evaluate(PAN, {**given, "seconds": 1.0, "least": 1})  # once to warm up
    before = cpu_s(browser)
    got = page.evaluate(PAN, given)
    spent = {kind: seconds - before.get(kind, 0.0) for kind, seconds in cpu_s(browser).items()}
    gaps = np.array(got["gaps"])
    frames = len(gaps)
    return {
        "frames_per_s": round(frames / got["moving_s"], 1),
        "animation_frames_per_s": round(got["animated"] / got["moving_s"], 1),
        "p95_ms": round(float(np.percentile(gaps, 95)), 1),
        "worst_ms": round(float(gaps.max()), 1),
        "long": int((gaps > LONG_MS).sum()),
        "frames": frames,
        "pixels_share": round(got["share"] ** 2, 2),
        "cpu_ms": round(1e3 * sum(spent.values()) / frames, 1),
        "cpu_of": {kind: round(1e3 * seconds / frames, 1) for kind, seconds in sorted(spent.items()) if seconds > 0.02},
    }


def open_map(page: Page, origin: str, scene: Scene) -> None:
    """Open the map of a scene, and wait until all of it is drawn."""
    look = f"{scene.lat},{scene.lon},{scene.zoom}"
    prefer = {"language": "en", "theme": "light", "globe": scene.globe}
    page.evaluate("value => localStorage.setItem('groundrule.settings', value)", json.dumps(prefer))
    page.goto(f"{origin}/map?look={look}")
    end = time.monotonic() + 60
    while not page.evaluate("Boolean(window.groundruleMap?.loaded() && window.groundruleMap.getZoom() > 0)"):
        if time.monotonic() > end:
            raise SystemExit(f"{scene.name}: the map did not load")
        page.wait_for_timeout(100)
    page.wait_for_timeout(1_500)


def drawn(page: Page) -> dict[str, int]:
    """What the map shows: cells or points in view, and terminals in all."""
    found: dict[str, int] = page.evaluate(
        """() => { const map = window.groundruleMap;
        const of = layer => map.getLayer(layer) ? map.queryRenderedFeatures({layers: [layer]}).length : 0;
        return {cells: of('cells'), points: of('points')}; }"""
    )
    return found


def run(asked: argparse.Namespace, port: int, link: str, key: str, fleet: Fleet) -> dict[str, Any]:
    origin = link.partition("/login")[0]
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("Chromium was not found")
    figures: dict[str, Any] = {}
    failed: list[str] = []
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=chromium, args=list(DRAW_BY_SOFTWARE))
        context = browser.new_context(locale="en-US", viewport={"width": asked.width, "height": asked.height}, device_scale_factor=1)
        page = context.new_page()
        page.goto(link)
        page.wait_for_url(lambda url: "#" not in url)
        page.wait_for_timeout(1_500)
        page.on("requestfailed", lambda each: None if "ABORTED" in str(each.failure) else failed.append(f"{each.url} {each.failure}"))
        page.on("response", lambda each: failed.append(f"{each.url} {each.status}") if each.status >= 400 else None)
        renderer = page.evaluate(
            """() => { const gl = document.createElement('canvas').getContext('webgl2');
            return gl.getParameter(gl.getExtension('WEBGL_debug_renderer_info').UNMASKED_RENDERER_WEBGL); }"""
        )
        print(f"{browser.version}, {renderer}")
        for scene in SCENES:
            if asked.scene and not any(word in scene.name for word in asked.scene):
                continue
            open_map(page, origin, scene)
            shown = drawn(page)
            if not sum(shown.values()):
                failed.append(f"{scene.name}: nothing is drawn")
            with Reporting(port, key, fleet) if scene.reporting else contextlib.nullcontext() as feed, profiled(page, asked, scene):
                ours = measured(browser, page, asked, mine=True)
            if feed is not None:
                ours["rows_reported"] = feed.sent
            page.wait_for_timeout(1_500)  # at rest all pixels are drawn again
            sizes = page.evaluate(EMPTY)
            if sizes[0] != sizes[1]:
                raise SystemExit(f"the empty map is {sizes[0]} pixels, ours {sizes[1]}")
            empty = measured(browser, page, asked, mine=False)
            name = scene.name
            figures[name] = {
                **shown, **{k: v for k, v in ours.items() if k != "cpu_of"}, "empty_frames_per_s": empty["frames_per_s"],
                "empty_cpu_ms": empty["cpu_ms"], "ratio": round(ours["cpu_ms"] / empty["cpu_ms"], 2),
            }  # fmt: skip
            print(
                f"{name}: {shown['cells']} cells, {shown['points']} points: {ours['frames_per_s']} frames/s, 95 of 100 within "
                f"{ours['p95_ms']} ms, {ours['long']} beyond 50 ms, {ours['cpu_ms']} ms of CPU a frame {ours['cpu_of']}, "
                f"{ours['pixels_share']} of the pixels; "
                f"empty map {empty['frames_per_s']} frames/s, {empty['cpu_ms']} ms {empty['cpu_of']}",
                flush=True,
            )
        browser.close()
    return {"renderer": renderer, "scenes": figures, "failed": failed}


@contextlib.contextmanager
def profiled(page: Page, asked: argparse.Namespace, scene: Scene) -> Iterator[None]:
    """Keep a profile of the page's main thread, if that is wanted."""
    if asked.profile is None:
        yield
        return
    session = page.context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.start")
    yield
    found = session.send("Profiler.stop")["profile"]
    session.detach()
    asked.profile.mkdir(parents=True, exist_ok=True)
    (asked.profile / f"{scene.name.replace(' ', '-')}.cpuprofile").write_text(json.dumps(found), encoding="utf-8")


def main() -> int:
    asked = parse()
    print(f"python {platform.python_version()}, numpy {np.__version__}; seed {asked.seed}; load {os.getloadavg()}")
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = create_home(folder / "home", ledger=None)
        fleet = Fleet(asked.terminals, asked.seed, home)
        fleet.register(home, folder)
        desk = open_desk(home, Settings())
        _, key = desk.give_key("benchmark", ["ingest", "analyst"], days=1)
        desk.store.close()
        with serving(home.path, folder) as (port, link):
            acknowledged = asyncio.run(report(port, key, fleet, 0, 10_000))
            if acknowledged != asked.terminals:
                raise SystemExit(f"{acknowledged:,} rows acknowledged of {asked.terminals:,}")
            found = run(asked, port, link, key, fleet)
    slowest = min(found["scenes"], key=lambda each: found["scenes"][each]["frames_per_s"])
    least = found["scenes"][slowest]["frames_per_s"]
    missed = [f"{name}: {each['frames_per_s']} frames/s" for name, each in found["scenes"].items() if each["frames_per_s"] < GOAL_FRAMES]
    missed += found["failed"]
    print("goals: " + ("met" if not missed else f"missed: {'; '.join(missed)}"))
    result = {
        "benchmark": "map_frames", "seed": asked.seed, "terminals": asked.terminals, "pixels": f"{asked.width} x {asked.height}",
        "renderer": found["renderer"], "least_frames_per_s": least, "slowest": slowest, **found["scenes"],
        "load_before": round(load_before, 2), "load_after": round(os.getloadavg()[0], 2), "goals": {"frames_per_s": GOAL_FRAMES},
        "missed": missed,
    }  # fmt: skip
    print(json.dumps(result))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
