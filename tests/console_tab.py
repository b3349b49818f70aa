"""A tab of a real browser over a real service, in which everything that should not happen is kept."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
DIST = ROOT / "src" / "groundrule" / "console" / "dist"
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
NEEDS_BROWSER = pytest.mark.skipif(
    shutil.which("chromium") is None or not (DIST / "index.html").is_file() or importlib.util.find_spec("playwright") is None,
    reason="needs Chromium, playwright and the built console (make console)",
)

STILL_DRAWN, STILL_WITH_A_MAP_S = 4, 0.25
"""How often a page has to be drawn, and how long with a map, while nothing is under way, before it counts as settled: what one answer asks
for next is asked after it was drawn, and a map says where it has come to a moment after it stands still. Frames, and not time, for on a
busy machine they take longer."""

# Ends when the page has drawn twice and has done what it put off until it had.
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))"

# Told to the page before anything of it runs; what breaks the policy of the page is told as an error of the console.
WATCH = """
window.__ran = [];
document.addEventListener('securitypolicyviolation', e => console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI));
"""


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The service of a home; gives a login link."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = str(tried.getsockname()[1])
    told = [sys.executable, "-m", "groundrule", "serve", "--home", str(home), "--port", port]
    with subprocess.Popen(told, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:  # fmt: skip
        assert process.stdout is not None
        link = next((line.strip() for line in process.stdout if "/login#token=" in line), "")
        assert link, "the service did not start"
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", int(port))):
                    break
            time.sleep(0.05)
        try:
            yield link
        finally:
            process.terminate()


def playwright_error() -> type[Exception]:
    """What playwright raises; it may be missing where tests are only collected."""
    from playwright.sync_api import Error

    return Error


class Watched:
    """A tab in which everything that should not happen is kept."""

    def __init__(self, page: Any, link: str, name: str, *, logged_in: bool = False) -> None:
        self.page, self.name = page, name
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(link))
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.dialogs: list[str] = []
        self._under_way: set[Any] = set()
        page.add_init_script(WATCH)
        page.on("console", lambda said: self.errors.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: {error}"))
        page.on("request", self._requested)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        page.on("dialog", self._dialog)
        if logged_in:
            return
        page.goto(link)
        page.wait_for_url(re.compile(r"^[^#]*$"))
        self.settle()

    @classmethod
    def over(cls, page: Any, origin: str, name: str) -> Watched:
        """Watch a page of somebody who is logged in."""
        return cls(page, origin, name, logged_in=True)

    def _requested(self, request: Any) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", f"blob:{self.origin}")):
            self.foreign.append(request.url)
        if request.resource_type in ("fetch", "xhr", "script", "stylesheet", "document"):  # a stream of events does not end
            self._under_way.add(request)

    def _ended(self, request: Any) -> None:
        self._under_way.discard(request)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def settle(self) -> None:
        """Wait until nothing is loading: no request is under way and nothing says that it waits, for a moment on end, and all is drawn."""
        self.page.wait_for_load_state("load")
        since = now = time.monotonic()
        end, drawn = now + 20, 0
        while now < end and (drawn < STILL_DRAWN or now - since < self._still_s()):
            try:
                self.page.evaluate(DRAWN)
                busy = self._under_way or self.page.locator("main .loading, main [aria-busy=true]").count()
            except playwright_error():  # another page has come in its place
                busy = True
                self.page.wait_for_load_state("load")
            now = time.monotonic()
            since, drawn = (now, 0) if busy else (since, drawn + 1)

    def _still_s(self) -> float:
        return STILL_WITH_A_MAP_S if self.page.locator("canvas.maplibregl-canvas").count() else 0.0

    def go(self, address: str) -> None:
        self.page.goto(self.origin + address)
        self.settle()

    def links(self, within: str) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(
            f"{within} a[href^='/']", "all => all.filter(a => !a.hasAttribute('download')).map(a => a.getAttribute('href'))"
        )
        return list(dict.fromkeys(found))

    def addresses(self) -> Iterator[str]:
        """Every page of the menu, and of each the first link to something single beneath it."""
        menu = self.links("nav")
        assert len(menu) >= 8, menu
        for address in menu:
            self.go(address)
            yield address
            beneath = [each for each in self.links("main") if address != "/" and each.startswith(f"{address}/")]
            if beneath:
                self.go(beneath[0])
                yield beneath[0]

    def keep(self, address: str) -> None:
        """Keep a picture of the page, if that is wanted."""
        folder = os.environ.get("GROUNDRULE_ARTEFACTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            word = re.sub(r"[^a-z0-9-]+", "_", unquote(address).lower())[:60].strip("_") or "home"
            self.page.screenshot(path=str(Path(folder) / f"{self.name}-{word}.png"))

    def clean(self, *, refused: bool = False) -> None:
        """Nothing happened that should not; with `refused`, answers that refuse were asked for."""
        assert [each for each in self.errors if not (refused and "the server responded with a status of 4" in each)] == []
        assert self.foreign == []
        assert self.dialogs == []


@contextmanager
def launched() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        made = tool.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--ignore-gpu-blocklist"])
        yield made
        made.close()


def tab(browser: Any, link: str, name: str, size: dict[str, int] = WIDE) -> Watched:
    return Watched(browser.new_context(locale="en-US", viewport=size).new_page(), link, name)


def violations(page: Any) -> list[str]:
    """What axe-core calls serious or critical."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:150]}" for each in found["violations"] if each["impact"] in ("serious", "critical")
    ]
