"""Keys: the same key for the same subject and month, nothing readable on disk, and nothing left after it is destroyed."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from groundrule.errors import ConflictError, InputError, IntegrityError, StoreError
from groundrule.store.keys import AesGcmWrapper, KeyService

PAIR = ("account-7 (invented)", "2026-03")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    KeyService.create(tmp_path / "keys").close()
    return tmp_path / "keys"


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def wrapped_of(folder: Path, subject: str, month: str) -> bytes:
    connection = sqlite3.connect(folder / "keys.sqlite")
    row = connection.execute(
        "SELECT wrapped FROM subject_key WHERE subject=? AND month=?", (subject, month)
    ).fetchone()
    connection.close()
    return bytes(row[0])


def test_keys_are_drawn_once_and_kept(folder: Path) -> None:
    pairs = [(f"account-{n}", month) for n in range(300) for month in ("2026-02", "2026-03")]
    with KeyService.open(folder) as keys:
        first = keys.subject_keys(pairs)
        assert keys.subject_keys(reversed(pairs)) == first
    with KeyService.open(folder) as keys:
        assert keys.subject_keys([*pairs, PAIR]).items() > first.items()
        assert keys.subject_key(*pairs[5]) == first[pairs[5]]
        assert keys.months_of("account-7") == ["2026-02", "2026-03"]
    assert len(set(first.values())) == 600
    assert {len(key) for key in first.values()} == {32}


def test_an_unknown_subject_has_no_key_until_it_is_asked_for(folder: Path) -> None:
    with KeyService.open(folder) as keys:
        assert keys.subject_key(*PAIR) is None
        key = keys.subject_keys([PAIR])[PAIR]
        assert keys.subject_key(*PAIR) == key


def test_no_key_lies_on_disk_in_clear(folder: Path) -> None:
    with KeyService.open(folder) as keys:
        held = [keys.subject_keys([PAIR])[PAIR], keys.index_key("ut-1")]
        keys.put_batch_secret("b", secret := os.urandom(32))
        data = all_bytes(folder)
    assert PAIR[0].encode() in data, "the search finds what is in clear"
    assert not any(key in data for key in (*held, secret))


def test_the_wrap_is_the_documented_one(folder: Path) -> None:
    with KeyService.open(folder) as keys:
        key = keys.subject_keys([PAIR])[PAIR]
    wrapped = wrapped_of(folder, *PAIR)
    cipher = AESGCM((folder / "wrap.key").read_bytes())
    context = b"groundrule/wrap/v1\0" + PAIR[0].encode() + b"\0" + PAIR[1].encode()
    assert cipher.decrypt(wrapped[:12], wrapped[12:], context) == key


def test_a_wrap_moved_to_another_subject_does_not_open(folder: Path) -> None:
    other = ("account-8", "2026-03")
    with KeyService.open(folder) as keys:
        keys.subject_keys([PAIR, other])
    connection = sqlite3.connect(folder / "keys.sqlite")
    connection.execute(
        "UPDATE subject_key SET wrapped=? WHERE subject=?", (wrapped_of(folder, *PAIR), other[0])
    )
    connection.commit()
    connection.close()
    with KeyService.open(folder) as keys, pytest.raises(IntegrityError, match="does not open"):
        keys.subject_key(*other)


def test_another_wrapping_key_opens_nothing(folder: Path) -> None:
    with KeyService.open(folder) as keys:
        keys.subject_keys([PAIR])
    with KeyService.open(folder, wrapper=AesGcmWrapper(bytes(32))) as keys, pytest.raises(IntegrityError):
        keys.subject_key(*PAIR)


def test_only_the_owner_can_read_the_files(folder: Path) -> None:
    with KeyService.open(folder) as keys:
        keys.subject_keys([PAIR])
        keys.put_log_signers("log.example.org/groundrule", ["PRIVATE+KEY+example"])
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes.pop("signers") == 0o700
    assert set(modes.values()) == {0o600}
    assert {"wrap.key", "keys.sqlite", "keys.sqlite-wal"} <= modes.keys()


def test_a_readable_wrapping_key_is_refused(folder: Path) -> None:
    (folder / "wrap.key").chmod(0o640)
    with pytest.raises(InputError, match="others than its owner"):
        KeyService.open(folder)


def test_nothing_is_overwritten(folder: Path) -> None:
    with pytest.raises(ConflictError, match="not empty"):
        KeyService.create(folder)
    with pytest.raises(InputError, match=r"wrap\.key"):
        KeyService.open(folder.parent / "nowhere")
    with KeyService.open(folder) as keys:
        keys.put_log_signers("o", ["a"])
        with pytest.raises(ConflictError, match="exists already"):
            keys.put_log_signers("o", ["b"])
        assert keys.log_signers("o") == ("a",)


# --- destruction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 400])
def test_a_destroyed_key_leaves_no_byte_in_any_file(folder: Path, count: int) -> None:
    pairs = [PAIR, *((f"account-{n}", "2026-03") for n in range(count))]
    with KeyService.open(folder) as keys:
        held = keys.subject_keys(pairs)
        wrapped = wrapped_of(folder, *PAIR)
        assert wrapped in all_bytes(folder), "the search finds a key that is there"
        assert keys.destroy(*PAIR) is True
        after = all_bytes(folder)
        assert wrapped not in after
        assert not any(wrapped[at : at + 12] in after for at in range(len(wrapped) - 12))
        assert PAIR[0].encode() not in after
        assert keys.subject_key(*PAIR) is None
        assert keys.destroy(*PAIR) is False
        for pair in pairs[1:]:
            assert keys.subject_key(*pair) == held[pair]


def test_only_the_month_that_is_named_is_destroyed(folder: Path) -> None:
    with KeyService.open(folder) as keys:
        held = keys.subject_keys([PAIR, (PAIR[0], "2026-04")])
        assert keys.destroy_all([PAIR, ("nobody", "2026-03")]) == 1
        assert keys.months_of(PAIR[0]) == ["2026-04"]
        assert keys.subject_key(PAIR[0], "2026-04") == held[PAIR[0], "2026-04"]
        assert keys.subject_keys([PAIR])[PAIR] != held[PAIR], "a later record gets a key of its own"


def test_a_reader_delays_the_scrub_and_the_next_start_makes_it_good(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundrule.store.sqlite_file._WAIT_S", 0.05)
    with KeyService.open(folder) as keys:
        keys.subject_keys([PAIR])
        wrapped = wrapped_of(folder, *PAIR)
        reader = sqlite3.connect(folder / "keys.sqlite", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM subject_key").fetchall()
        with pytest.raises(ConflictError, match="is being read"):
            keys.destroy(*PAIR)
        assert keys.subject_key(*PAIR) is None, "deleted all the same"
        assert wrapped in all_bytes(folder)
        reader.close()
    KeyService.open(folder).close()
    assert wrapped not in all_bytes(folder)


# --- other secrets ----------------------------------------------------------------------------------------------------


def test_batch_secrets_and_seal_salts_are_kept_and_never_replaced(folder: Path) -> None:
    secret = os.urandom(32)
    with KeyService.open(folder) as keys:
        keys.put_batch_secret("b1", secret)
        keys.put_batch_secret("b1", secret)
        keys.put_seal_salt("ab" * 32, secret)
        assert keys.batch_secret("b1") == keys.seal_salt("ab" * 32) == secret
        assert keys.batch_secret("b2") is None
        with pytest.raises(ConflictError, match="another secret"):
            keys.put_batch_secret("b1", bytes(32))
        with pytest.raises(InputError, match="not 32 bytes"):
            keys.put_batch_secret("b3", b"short")
        keys.put_batch_secrets((f"c{n}", bytes([n]) * 32) for n in range(9))
        keys.remove_batch_secrets(["c3", "c4"])
        assert [keys.batch_secret(f"c{n}") is None for n in range(9)] == [n in (3, 4) for n in range(9)]


def test_index_keys_are_per_terminal_and_can_be_destroyed(folder: Path) -> None:
    with KeyService.open(folder) as keys:
        many = keys.index_keys([f"ut-{n}" for n in range(50)])
        assert keys.index_key("ut-7") == many["ut-7"]
        assert len(set(many.values())) == 50
        assert keys.destroy_index_key("ut-7") is True
        assert keys.destroy_index_key("ut-7") is False
        assert keys.index_key("ut-7") != many["ut-7"]


@pytest.mark.parametrize(
    "pair", [("a", "2026-3"), ("a", "2026-13"), ("a", ""), ("", "2026-03"), ("a\0b", "2026-03")]
)
def test_bad_subjects_and_months_are_refused(folder: Path, pair: tuple[str, str]) -> None:
    with KeyService.open(folder) as keys:
        for call in (
            lambda: keys.subject_keys([pair]),
            lambda: keys.subject_key(*pair),
            lambda: keys.destroy(*pair),
        ):
            with pytest.raises(InputError):
                call()


def test_another_file_is_not_taken_for_a_key_store(folder: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (folder / f"keys.sqlite{suffix}").unlink(missing_ok=True)
    with pytest.raises(InputError, match="no key store"):
        KeyService.open(folder)
    sqlite3.connect(folder / "keys.sqlite").close()
    with pytest.raises(InputError, match="not a key store"):
        KeyService.open(folder)
    (folder / "keys.sqlite").write_bytes(b"this is no database, and long enough to be asked what it is" * 20)
    with pytest.raises(StoreError):
        KeyService.open(folder)


def test_a_wrapper_of_ones_own_is_used(tmp_path: Path) -> None:
    contexts: list[bytes] = []

    class Recording(AesGcmWrapper):
        def wrap(self, key: bytes, context: bytes) -> bytes:
            contexts.append(context)
            return super().wrap(key, context)

    with KeyService.create(tmp_path / "k", wrapper=Recording(bytes(32))) as keys:
        keys.subject_keys([PAIR])
    assert not (tmp_path / "k" / "wrap.key").exists()
    assert len(contexts) == 1
