"""The check of a receipt in a real browser: nothing but the built pages is served, so nothing can be asked."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DIST = ROOT / "src" / "groundrule" / "console" / "dist"
FIXTURES = ROOT / "console" / "test" / "fixtures" / "receipts.json"
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self' blob:"
MUTANTS = 25

pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None or not (DIST / "index.html").is_file(),
    reason="needs Chromium and the built console",
)


class Pages(SimpleHTTPRequestHandler):
    """The built files; every address that is none is the one page."""

    def send_head(self) -> Any:
        if not Path(self.translate_path(self.path)).is_file():
            if self.path.startswith(("/v1/", "/ledger/")):
                self.send_error(404)
                return None
            self.path = "/index.html"
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", CSP)
        super().end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(DIST)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_context(locale="en-US").new_page()
        tab.goto(f"http://127.0.0.1:{server.server_port}/verify")
        tab.get_by_text("A file of yours").click()
        yield tab
        browser.close()
    server.shutdown()
    server.server_close()


def verdict(page: Any, receipt: str, policy: str) -> str:
    page.get_by_label("Receipt (.tlog-proof)", exact=True).fill(receipt)
    page.get_by_label("Policy: the keys of the log and its witnesses", exact=True).fill(policy)
    page.get_by_role("button", name="Verify in this browser").click()
    found: str = page.locator(".banner").inner_text()
    return found


def test_a_receipt_holds_and_its_mutants_do_not(page: Any) -> None:
    given = json.loads(FIXTURES.read_text(encoding="utf-8"))
    policy = given["policy"]
    said = verdict(page, given["receipts"][0], policy)
    assert said.startswith("Verified")
    complete = said == "Verified. Every step holds."
    judged = {True: 0, False: 0}
    for mutant in given["mutants"]:
        text, (at, cut, put) = given["receipts"][mutant["of"]].encode(), mutant["change"]
        try:
            changed = (text[:at] + base64.b64decode(put) + text[at + cut :]).decode()
        except UnicodeDecodeError:
            continue  # cannot be typed into a page
        if mutant["holds"] or "\r" in changed or judged[mutant["mldsa"]] >= MUTANTS:
            continue
        judged[mutant["mldsa"]] += 1
        said = verdict(page, changed, policy)
        if mutant["mldsa"] and not complete:
            assert said != "Verified. Every step holds.", mutant["what"]
        else:
            assert said.startswith("Not verified."), mutant["what"]
    assert judged[True] >= 5
    assert judged[False] == MUTANTS


def test_hostile_text_is_text(page: Any) -> None:
    page.evaluate("window.ran = 0")
    for text in (
        '<img src=x onerror="window.ran=1">',
        "</textarea><script>window.ran=1</script>",
        "javascript:window.ran=1//",
    ):
        assert verdict(page, text, f"log {text}\n").startswith("Not verified.")
    assert page.evaluate("window.ran") == 0
