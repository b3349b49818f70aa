"""Every route and every role, asked for real: who may is let in, who may not is not, and the document says the same."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Served, served
from litestar import get

from groundrule.api.roles import Access, accesses, matrix, shipped_roles
from groundrule.api.routes import HANDLERS
from groundrule.store.home import Home
from small_home import copy_home

ROOT = Path(__file__).resolve().parents[3]
CLOSED = {"no_credentials": 401, "not_allowed": 403, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}
"""Codes of denials, and what stands for them where a specification prescribes the words."""
ROLES = tuple(shipped_roles())
ENDLESS = ("/v1/events",)
"""Answers that end when the reader goes."""


@pytest.fixture(scope="module")
def asked(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(copy_home(served_template, tmp_path_factory.mktemp("matrix") / "home")) as made:
        yield made


@pytest.fixture(scope="module")
def keys(asked: Served) -> dict[str, dict[str, str]]:
    more = {"owner": {"accounts": ["acc-a"]}, "regulator": {"countries": ["AT"]}}
    return {role: {} if role == "public" else asked.key(role, **more.get(role, {})) for role in ROLES}


def ask(client: Served, access: Access, who: dict[str, str]) -> tuple[int, str]:
    """Ask for a route with made-up parameters and an empty body."""
    path = re.sub(r"\{[^}]*\}", "terminals", access.path)
    body = {"json": {}} if access.method in ("POST", "PUT", "PATCH") else {}
    if access.path in ENDLESS:
        with client.client.stream(access.method, path, headers=who | {"Last-Event-ID": "not a number"}) as answer:
            return answer.status_code, "" if answer.status_code == 200 else answer.read().decode()
    answer = client.client.request(access.method, path, headers=who, **body)
    return answer.status_code, answer.text


@pytest.mark.parametrize("role", ROLES)
def test_every_route_lets_in_whom_its_permission_names_and_nobody_else(asked: Served, keys: dict[str, dict[str, str]], role: str) -> None:
    wrong = []
    for access, allowed in matrix(asked.client.app):
        if access.method == "HEAD":
            continue
        status, text = ask(asked, access, keys[role])
        denied = any(status == number and f'"code":"{code}"' in text for code, number in CLOSED.items())
        # Some roles see a part only: for them a thing outside of it does not exist, which is no denial.
        if denied is (role in allowed):
            wrong.append((access.method, access.path, status, text[:80]))
        if status >= 500 and status != 501:
            wrong.append((access.method, access.path, status, text[:200]))
    assert not wrong


def test_what_is_denied_is_kept(asked: Served, keys: dict[str, dict[str, str]]) -> None:
    before = len(asked.service.desk.store.denials(limit=100_000))
    asked.get("/v1/registers", keys["owner"])
    after = asked.service.desk.store.denials(limit=100_000)
    assert len(after) == before + 1


def test_the_document_has_a_row_for_every_route_and_role(asked: Served) -> None:
    spec = importlib.util.spec_from_file_location("build_docs", ROOT / "scripts" / "build_docs.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["build_docs"] = made
    spec.loader.exec_module(made)
    text = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    assert text == made.access(), "write it anew with: python scripts/build_docs.py"
    rows = set(re.findall(r"^\| `([A-Z]+) ([^`]+)` \|", text, re.MULTILINE))
    assert rows == {(each.method, each.path) for each in accesses(asked.client.app)}


def test_a_new_route_without_a_row_is_noticed(asked: Served) -> None:
    from groundrule.api.app import make_app

    @get("/v1/brand-new", opt={"permission": "terminals:read"})
    async def brand_new() -> str:
        return ""

    text = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    paths = {each.path for each in accesses(make_app(asked.service, handlers=[*HANDLERS, brand_new]))}
    assert {path for path in paths if f" {path}`" not in text} == {"/v1/brand-new"}
