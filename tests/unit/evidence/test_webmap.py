"""The page: complete, offline, and safe against hostile names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundrule.errors import InputError
from groundrule.evidence.outlines import Outlines
from groundrule.evidence.webmap import PageText, embedded_json, page_data, write_webmap

OUTLINES = Outlines((np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 0.0]]),), (), ())
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028&'\""


def columns(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": ["ut-1", HOSTILE],
        "lat": [50.0, None],
        "lon": [30.5, None],
        "kind": ["train_untagged", "<b>home</b>"],
        "outcome": ["serve", "restrict"],
        "state": ["normal", "never_served"],
        "reason": ["served", "never_served"],
        "why": [["speed 66.20 of 75 km/h", "rule 007 holds"], []],
        "why_not": [["speed 68 of 75 km/h"], ["<script>1</script>"]],
    }
    return made | changes


class Page(HTMLParser):
    """Collects scripts, styles, policy and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._open = (tag, dict(attrs))

    def handle_data(self, data: str) -> None:
        if self._open and self._open[0] == "script":
            self.scripts.append((self._open[1], data))
        elif self._open and self._open[0] == "style":
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's signature
        self._open = None

    @property
    def policy(self) -> str:
        return next(
            value or ""
            for tag, name, value in self.attributes
            if tag == "meta" and name == "content" and "default-src" in (value or "")
        )

    @property
    def data(self) -> Any:
        return json.loads(next(text for attrs, text in self.scripts if attrs.get("type") == "application/json"))


def written(path: Path, terminals: dict[str, Any], title: str = "Title") -> Page:
    size = write_webmap(path, terminals, text=PageText(title, "sub"), outlines=OUTLINES)
    assert path.stat().st_size == size
    return Page(path.read_text(encoding="utf-8"))


def told(data: Any, version: int, column: str, row: int) -> list[str]:
    """Put sentences together as the page does."""
    found = []
    for entry in data["lists"][data["versions"][version][column][row]]:
        pattern, *values = data["sentences"][entry]
        parts = data["patterns"][pattern].split("\x01")
        # JavaScript prints these numbers as Python does.
        found.append(parts[0] + "".join(str(value) + part for value, part in zip(values, parts[1:], strict=True)))
    return found


def test_everything_given_is_in_the_page(tmp_path: Path) -> None:
    data = written(tmp_path / "map.html", columns()).data
    assert data["columns"]["id"] == ["ut-1", HOSTILE]
    assert data["columns"]["lat"] == [5_000_000, None]
    assert data["columns"]["lon"] == [3_050_000, None]
    assert [data["kinds"][k] for k in data["columns"]["kind"]] == ["train untagged", "<b>home</b>"]
    marks = [data["marks"][k]["key"] for k in data["versions"][0]["answer"]]
    assert marks == ["serve", "never_served"]
    assert data["reasons"][data["versions"][0]["reason"][1]] == [
        "never_served",
        "The network has never served this area.",
    ]
    assert told(data, 0, "why", 0) == ["speed 66.20 of 75 km/h", "rule 007 holds"]
    assert told(data, 0, "why", 1) == []
    assert told(data, 0, "why_not", 1) == ["<script>1</script>"]
    assert len(data["versions"]) == 1


def test_hostile_text_cannot_leave_its_place(tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    page = written(path, columns(reason=[HOSTILE, HOSTILE]), title=HOSTILE)
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert page.tags.count("h1") == 1
    text = path.read_text(encoding="utf-8")
    assert "onerror=alert(1)>" not in text.replace("onerror=alert(1)&gt;", "")
    assert "\u2028" not in text[text.index('id="data"') :]


def test_the_policy_names_exactly_the_script_and_the_style_inside(tmp_path: Path) -> None:
    page = written(tmp_path / "map.html", columns())
    running = [text for attrs, text in page.scripts if attrs.get("type") is None]
    assert len(running) == len(page.styles) == 1
    for directive, text in (("script-src", running[0]), ("style-src", page.styles[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in page.policy
    assert page.policy.startswith("default-src 'none';")
    assert "unsafe" not in page.policy


def test_nothing_is_loaded_and_nothing_is_inline_that_the_policy_would_stop(tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    page = written(path, columns())
    assert not re.search(r"https?://|url\(|@import", path.read_text(encoding="utf-8"))
    for tag, name, _ in page.attributes:
        assert name not in ("src", "href", "style", "srcset"), (tag, name)
        assert not name.startswith("on"), (tag, name)
    script = next(text for attrs, text in page.scripts if attrs.get("type") is None)
    for risky in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
        "XMLHttpRequest",
        "new Function",
    ):
        assert risky not in script


def test_before_and_after_stand_side_by_side(tmp_path: Path) -> None:
    after = {
        "after_outcome": ["deny", "restrict"],
        "after_state": ["normal", "never_served"],
        "after_reason": ["moving_too_fast_for_policy", "never_served"],
        "after_why": [["speed 66.2 of 60 km/h"], []],
        "after_why_not": [[], []],
    }
    data = written(tmp_path / "map.html", columns(**after)).data
    assert [data["marks"][v["answer"][0]]["key"] for v in data["versions"]] == ["serve", "deny"]
    assert told(data, 1, "why", 0) == ["speed 66.2 of 60 km/h"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": ["one"]}, "column `kind` is not as long"),
        ({"outcome": ["serve", "maybe"], "state": ["normal", "normal"]}, "`maybe` is no answer"),
        ({"after_outcome": ["serve", "serve"]}, "needs a column `after_state`"),
    ],
)
def test_bad_columns_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        page_data(columns(**changes), text=PageText("t"), outlines=OUTLINES)


def test_fifty_thousand_terminals_stay_below_ten_megabytes(tmp_path: Path) -> None:
    n = 50_000
    rng = np.random.default_rng(1)
    speeds = rng.uniform(0, 120, n)
    why = [
        [f"decides: ua-speed (deny): speed {v:.1f} of 75 km/h", "also applies: ground-licence (serve)"] for v in speeds
    ]
    terminals = {
        "id": [f"ut-01-{k:06d}" for k in range(n)],
        "lat": rng.uniform(-60, 70, n),
        "lon": rng.uniform(-180, 180, n),
        "kind": ["home"] * n,
        "outcome": ["serve"] * n,
        "state": ["normal"] * n,
        "reason": ["served"] * n,
        "why": why,
        "why_not": why,
    }
    terminals |= {f"after_{name}": terminals[name] for name in ("outcome", "state", "reason", "why", "why_not")}
    assert write_webmap(tmp_path / "map.html", terminals, text=PageText("Large"), outlines=OUTLINES) < 10_000_000


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_embedded_json_says_the_same_and_holds_nothing_that_html_reads(value: Any) -> None:
    text = embedded_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)
    text.encode("utf-8")


@given(st.lists(st.text(alphabet="ab 0123456789.-,é\x01", max_size=30), max_size=4))
def test_sentences_come_back_as_they_were(sentences: list[str]) -> None:
    data = page_data(columns(why=[sentences, []]), text=PageText("t"), outlines=OUTLINES)
    assert told(data, 0, "why", 0) == [one.replace("\x01", " ") for one in sentences]
