"""A bundle holds what decisions rest on, and nothing that others have no business with."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundrule.engines.bundle import pack, unpack
from groundrule.errors import GroundruleError, IntegrityError
from groundrule.pipeline.home import basis_of, rulebook_of
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.manifests import read_manifest
from groundrule.pipeline.snapshots import basis_of_run
from groundrule.store.home import Home
from small_home import RECORDED, make_home, register, run, stream

NAME = "Petra Example-Person (invented)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = make_home(tmp_path_factory.mktemp("bundled") / "home", ledger=LedgerSetup())
    register(made, "parties", f"party_id,name,kind,screening\np1,{NAME},person,clear\n")
    register(made, "addresses", "address,terminal_id\n203.0.113.77,car\n")
    run(made, stream(4, rows=60))
    return made


def test_what_it_gives_is_what_the_home_gives(home: Home, tmp_path: Path) -> None:
    there = unpack(pack(home, tmp_path, runs=[1]))
    manifest = read_manifest(home, 1)
    assert read_manifest(there, 1) == manifest
    one, other = basis_of_run(home, manifest, None), basis_of_run(there, manifest, None)
    assert (other.rulebook.digest, other.areas.digest) == (one.rulebook.digest, one.areas.digest)
    assert (other.registers.digest, other.registers.content) == (one.registers.digest, one.registers.content)
    assert other.registers.content == manifest["registers"]["content"]
    assert there.id == home.id


def test_it_holds_no_history_no_key_no_record_no_name_and_no_address(home: Home, tmp_path: Path) -> None:
    there = unpack(pack(home, tmp_path, runs=[1]))
    files = {path.relative_to(there.path).as_posix() for path in there.path.rglob("*") if path.is_file()}
    book, areas = rulebook_of(home).digest[7:], read_manifest(home, 1)["areas"][7:]
    assert files == {
        "home.json", "lock", "registers.sqlite", "manifests/run-000001.json", f"rulebooks/{book}.yaml", f"areas/{areas}.parquet",
    }  # fmt: skip
    said = (there.path / "registers.sqlite").read_bytes()
    assert NAME.encode() not in said
    assert b"203.0.113.77" not in said
    # The home has them.
    held = b"".join(path.read_bytes() for path in home.path.glob("registers.sqlite*"))
    assert NAME.encode() in held
    assert b"203.0.113.77" in held


def test_a_bundle_that_was_changed_is_refused(home: Home, tmp_path: Path) -> None:
    bundle = pack(home, tmp_path, runs=[1])
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="is not what its name says"):
        unpack(bundle)


def test_it_is_unpacked_once(home: Home, tmp_path: Path) -> None:
    bundle = pack(home, tmp_path, runs=[1])
    first = unpack(bundle)
    bundle.unlink()
    assert unpack(bundle) == first
    assert [path.name for path in tmp_path.iterdir()] == [first.path.name]


def test_what_is_missing_in_the_home_is_missed_where_it_is_needed(home: Home, tmp_path: Path) -> None:
    there = unpack(pack(home, tmp_path, runs=[1, 2]))
    basis_of(there, recorded_at_ns=RECORDED, rulebook=rulebook_of(home).digest, areas=read_manifest(home, 1)["areas"])
    with pytest.raises(GroundruleError):
        read_manifest(there, 2)
