"""Key files: made once, opened with their passphrase only, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from console import groundrule, refused
from groundrule.ledger.note import VerifierKey


@pytest.fixture
def word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GROUNDRULE_PASSPHRASE", raising=False)
    path = tmp_path / "word"
    path.write_text("five words nobody would guess\nsecond line\n")
    return path


def test_a_key_is_made_and_shown(word: Path, tmp_path: Path) -> None:
    made = groundrule("key", "new", "ada.key", "--passphrase-file", word, "--json")
    assert made.code == 0, made
    vkey = VerifierKey.parse(made.json["vkey"])
    assert (tmp_path / "ada.key.pub").read_text() == f"{vkey}\n"
    assert (tmp_path / "ada.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ada.key").read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert len(made.json["fingerprint"].replace(" ", "")) == 32
    for file in ("ada.key", "ada.key.pub"):
        shown = groundrule("key", "show", file, "--passphrase-file", word, "--json")
        assert (shown.code, shown.json["vkey"]) == (0, str(vkey))


def test_two_keys_of_one_person_share_the_party(word: Path) -> None:
    first = groundrule("key", "new", "a.key", "--passphrase-file", word, "--json").json
    second = groundrule("key", "new", "b.key", "--party", first["party"], "--passphrase-file", word, "--json").json
    assert first["party"] == second["party"]
    assert first["vkey"] != second["vkey"]


def test_wrong_use_says_what_is_wrong_and_writes_nothing(
    word: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(groundrule("key", "new", "a.key"), "no passphrase", "GROUNDRULE_PASSPHRASE")
    (tmp_path / "short").write_text("short\n")
    refused(groundrule("key", "new", "a.key", "--passphrase-file", "short"), "5 characters")
    (tmp_path / "empty").write_text("\n")
    refused(groundrule("key", "new", "a.key", "--passphrase-file", "empty"), "empty passphrase")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe secret secret\n")
    refused(groundrule("key", "new", "a.key", "--passphrase-file", "bytes"), "not UTF-8")
    refused(groundrule("key", "new", "a.key", "--party", "ada", "--passphrase-file", word), "no party id")
    assert not (tmp_path / "a.key").exists()
    assert groundrule("key", "new", "a.key", "--passphrase-file", word).code == 0
    refused(groundrule("key", "new", "a.key", "--passphrase-file", word), "never overwritten")
    (tmp_path / "other").write_text("five words nobody has guessed\n")
    refused(groundrule("key", "show", "a.key", "--passphrase-file", "other"), "does not open")
    monkeypatch.setenv("GROUNDRULE_PASSPHRASE", "five words nobody would guess")
    assert groundrule("key", "show", "a.key").code == 0
    (tmp_path / "a.key").chmod(0o644)
    assert "chmod 600" in groundrule("key", "show", "a.key").err
    assert groundrule("key", "new", "b.key").code == 0
    (tmp_path / "b.key.pub").write_text((tmp_path / "a.key.pub").read_text())
    refused(groundrule("key", "show", "b.key"), "another key")
