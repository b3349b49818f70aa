"""Every page of the console in a real browser over a real service: it works, asks nobody else, and text that means harm stays text.

Pages are found as a reader finds them: every link of the menu, and of each page the first link to something single. So pages that are
added are driven as well. Needs Chromium, playwright and the built console; axe-core where the check of accessibility is to run.
With GROUNDRULE_ARTEFACTS set to a folder, a picture of each page is kept there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import small_home as sh
from console import groundrule
from console_tab import AXE, NARROW, NEEDS_BROWSER, launched, served, tab, violations
from governed_home import decided
from groundrule.pipeline.home_ledger import keys_folder
from groundrule.store.home import Home

ROOT = Path(__file__).parents[2]
HOSTILE = ROOT / "tests" / "unit" / "pipeline" / "test_dossier_hostile.py"

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as made:
        yield made


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a small demo."""
    out = tmp_path_factory.mktemp("fleet")
    made = groundrule("demo", "--out", out, "--terminals", 600, "--minutes", 2, "--json")
    assert made.code == 0, made
    return out / "home"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home that the story of the front leaves."""
    out = tmp_path_factory.mktemp("story")
    made = groundrule("demo", "--incident", "front", "--out", out, "--json")
    assert made.code == 0, made
    return out / "front" / "home"


@pytest.mark.parametrize("which", ["fleet", "story"])
def test_every_page_works_and_asks_nobody_else(which: str, browser: Any, request: pytest.FixtureRequest) -> None:
    found: dict[str, list[str]] = {}
    with served(request.getfixturevalue(which)) as link:
        watched = tab(browser, link, which)
        for address in watched.addresses():
            watched.keep(address)
            said = watched.page.inner_text("main")
            assert len(said.strip()) > 20, address
            assert watched.page.locator("h1").count() >= 1, address
            found[address] = [] if not AXE.is_file() else violations(watched.page)
        watched.clean()
        watched.page.context.close()
    assert {address: each for address, each in found.items() if each} == {}
    assert len(found) >= 10
    if not AXE.is_file():
        pytest.skip("pages work; for the check of accessibility axe-core is missing (cd console && npm ci)")


def test_on_a_telephone_nothing_is_cut_off(story: Path, browser: Any) -> None:
    with served(story) as link:
        watched = tab(browser, link, "narrow", NARROW)
        wide = {}
        for address in watched.addresses():
            watched.keep(address)
            wide[address] = watched.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        watched.clean()
        watched.page.context.close()
    assert {address: beyond for address, beyond in wide.items() if beyond > 1} == {}


def test_a_newcomer_finds_a_refusal_and_its_proof_within_a_handful_of_clicks(fleet: Path, browser: Any) -> None:
    with served(fleet) as link:
        watched = tab(browser, link, "newcomer")
        page, clicks = watched.page, 0

        def click(what: Any) -> None:
            nonlocal clicks
            clicks += 1
            what.click()
            watched.settle()

        click(page.locator("nav a[href='/terminals']"))
        page.locator("select[name=outcome]").select_option("deny")
        clicks += 1
        watched.settle()
        click(page.locator("main table a[href^='/terminals/']").first)
        assert "Denied" in page.inner_text("main")
        click(page.locator("#receipt button.primary").first)
        if page.get_by_label("From this service").count() and not page.get_by_label("From this service").is_checked():
            click(page.get_by_label("From this service"))
        page.locator("#receipt").get_by_role("button", name="Verify", exact=False).first.click()
        clicks += 1
        page.locator(".banner").first.wait_for(timeout=20_000)
        assert page.locator(".banner").first.inner_text().startswith("Verified")
        watched.keep("proof")
        watched.clean()
        page.context.close()
    assert clicks <= 6


# --- text that means harm ----------------------------------------------------------------------------------------------------

MARK = "window.__ran.push(1)"
ELEMENTS = (
    "<script>{}</script>", "<img src=x onerror={}>", "<svg onload={}>", "<svg><script>{}</script></svg>", "<body onload={}>",
    "<iframe srcdoc='<script>parent.{}</script>'>", "<details open ontoggle={}>", "<video><source onerror={}></video>",
    "<input autofocus onfocus={}>", "<math><mtext><style><img src=x onerror={}>", "<a href='javascript:{}'>x</a>",
    "<object data='javascript:{}'></object>", "<style>@import 'javascript:{}'</style>", "<marquee onstart={}>x</marquee>",
    "<form action='javascript:{}'><button autofocus>x", "<template><img src=x onerror={}></template>",
    "<noscript><p title='</noscript><img src=x onerror={}>'>", "<x onpointerenter={}>x</x>", "{{{{constructor.constructor('{}')()}}}}",
    "${{{}}}", "javascript:{}", "data:text/html,<script>parent.{}</script>", "';{};//", '";{};//', "`;{};//", "*/{};/*",
)  # fmt: skip
AROUND = ('{}', '">{}', "'>{}</textarea>", "--></title></style>{}\u202e")
PAYLOADS = tuple(around.format(each.format(MARK)) for each in ELEMENTS for around in AROUND)


def hostile_home() -> Home:
    """The home of the dossiers' test, each free field of which means harm, and a terminal, a person and an area for each payload."""
    spec = importlib.util.spec_from_file_location("hostile_dossiers", HOSTILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.RUN = MARK
    made = module.case
    home: Home = (made._get_wrapped_function() if hasattr(made, "_get_wrapped_function") else made.__pytest_wrapped__.obj)().home
    quoted = ['"' + each.replace('"', '""') + '"' for each in PAYLOADS]
    sh.register(home, "parties", "party_id,name,kind\n" + "".join(f"h-{k},{each},person\n" for k, each in enumerate(quoted)))
    sh.register(home, "accounts", "account_id,party_id,country,state\n" + "".join(f"x-{k},h-{k},AT,active\n" for k in range(len(quoted))))
    head = "terminal_id,account_id,plan,programmes,registration,activation_country,kit_number,custodian,donor,purpose\n"
    rows = (f"{each},x-{k},roam,,registered,AT,{each},{each},{each},{each}\n" for k, each in enumerate(quoted))
    sh.register(home, "terminals", head + "".join(rows))
    with home.writer():
        made_rows = [sh.observation(each, 900, 5.1 + k / 1e3, 5.5) for k, each in enumerate(PAYLOADS)]
        decided(home, sh.table(made_rows), at_ns=module.START + 30 * module.DAY)
    return home


def test_text_that_means_harm_is_text_on_every_page(browser: Any) -> None:
    home = hostile_home()
    assert len(PAYLOADS) >= 100
    assert keys_folder(home).exists()
    shown = 0
    with served(home.path) as link:
        watched = tab(browser, link, "hostile")
        seen = 0
        for address in watched.addresses():
            watched.keep(address)
            # Elements that a text would make, and attributes that run.
            assert watched.page.evaluate("document.querySelectorAll('main script, main iframe, main object, main marquee').length") == 0
            assert watched.page.evaluate(
                "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/.test(a.name)"
                " || /^\\s*javascript:/i.test(a.value) && ['href','src','action','data'].includes(a.name))).length"
            ) == 0, address
            assert watched.page.evaluate("window.__ran") == []
            assert watched.page.get_attribute("html", "data-ran") is None
            seen += 1
        for payload in PAYLOADS[::8]:
            watched.go("/terminals/" + "".join(f"%{byte:02X}" for byte in payload.encode()))
            shown += payload.replace("\u202e", "") in watched.page.inner_text("main").replace("\u202e", "").replace("[U+202E]", "")
            assert watched.page.evaluate("window.__ran") == []
        assert watched.dialogs == []
        assert watched.foreign == []
        watched.page.context.close()
    assert seen >= 10
    assert shown == len(PAYLOADS[::8])
