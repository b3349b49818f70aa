"""Vector folders: everything passes, and whatever is damaged is reported, by file and case."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from log_in_memory import LOG, SIGNERS, MemoryLog, new_witness
from typer.testing import CliRunner

import ledger_vectors
from groundrule.errors import InputError
from groundrule.ledger.audit.fsck import FsckReport
from groundrule.ledger.conform import FILE_CHECKS, FileResult, conform
from groundrule.ledger.conform_trees import read_archive, split_view_missing
from groundrule.ledger.conform_witness import cosigned
from groundrule.ledger.vectors import BrokenVector

GENERATED = {
    "checkpoints.json": 39,
    "consistency.json": 415,
    "cosignatures.json": 13,
    "dsse.json": 20,
    "inclusion.json": 415,
    "logs.json": 24,
    "paths.json": 52,
    "policies.json": 23,
    "proofs.json": 27,
    "trees.json": 32,
    "vkeys.json": 10,
    "witness.json": 21,
}
THIRD_PARTY = {
    "dsse.json": 1,
    "ed25519vectors.json": 914,
    "merkle-consistency.json": 97,
    "merkle-inclusion.json": 98,
    "merkle-subtreeconsistency.json": 115,
    "merkle-subtreeinclusion.json": 204,
    "notes.json": 10,
    "sunlight": 5,
    "tessera-log": 32,
    "witness-litewitness.json": 8,
}


def by_file(results: list[FileResult]) -> dict[str, FileResult]:
    return {result.file: result for result in results}


@pytest.fixture
def copy(shared_data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copy single files of the vectors into a folder that a test may damage."""

    def make(*names: str, source: str = "generated") -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            found = shared_data / "tlog" / source / name
            if found.is_dir():
                shutil.copytree(found, tmp_path / name)
            else:
                shutil.copyfile(found, tmp_path / name)
        return tmp_path

    return make


def change(folder: Path, name: str, edit: Callable[[Any], None]) -> None:
    values = json.loads((folder / name).read_bytes())
    edit(values)
    (folder / name).write_text(json.dumps(values))


# --- everything passes ------------------------------------------------------------------------------------------------


def test_all_vectors_pass(shared_data: Path) -> None:
    results = by_file(conform(shared_data / "tlog"))
    assert [result.file for result in results.values() if not result.known] == []
    expected = {f"generated/{name}": count for name, count in GENERATED.items()}
    expected |= {f"thirdparty/{name}": count for name, count in THIRD_PARTY.items()}
    assert {name: result.passed for name, result in results.items()} == expected
    assert [failure for result in results.values() for failure in result.failed] == []
    assert [line for result in results.values() for line in result.broken] == []
    skipped = {name: len(result.skipped) for name, result in results.items() if result.skipped}
    assert skipped == {
        "generated/checkpoints.json": 2,
        "thirdparty/merkle-consistency.json": 1,
        "thirdparty/merkle-subtreeconsistency.json": 3,
        "thirdparty/witness-litewitness.json": 1,
    }
    assert all(reason for result in results.values() for _desc, reason in result.skipped)
    undefined = [reason for _desc, reason in results["generated/checkpoints.json"].skipped]
    assert all("here it is rejected" in reason for reason in undefined)


def test_a_fresh_set_of_another_seed_passes(tmp_path: Path) -> None:
    ledger_vectors.write(tmp_path, "another-seed")
    results = conform(tmp_path)
    assert {result.file for result in results} >= {
        "trees.json",
        "logs.json",
        "witness.json",
        "proofs.json",
        "dsse.json",
    }
    for result in results:
        assert result.known, result.file
        assert (result.failed, result.broken) == ([], []), result.file
        assert result.passed > 0, result.file


# --- a changed expectation is a failure -------------------------------------------------------------------------------


def flip(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda case: case.__setitem__(name, not case[name])


def swap(case: dict[str, Any]) -> None:
    case["expect"] = {"accept": "reject", "reject": "accept"}[case["expect"]]


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("inclusion.json", flip("wantErr")),
        ("consistency.json", flip("wantErr")),
        ("vkeys.json", flip("valid")),
        ("policies.json", flip("valid")),
        ("proofs.json", swap),
    ],
)
def test_every_single_flipped_expectation_is_reported(
    copy: Callable[..., Path], name: str, edit: Callable[[dict[str, Any]], None]
) -> None:
    folder = copy(name)
    change(folder, name, lambda values: [edit(case) for case in values["cases"]])
    (result,) = conform(folder)
    # The consistency proofs from size 0 are skipped; here there are none.
    assert (result.passed, len(result.failed), result.skipped) == (0, GENERATED[name], [])


def test_flipped_checkpoints_and_envelopes_are_reported(copy: Callable[..., Path]) -> None:
    folder = copy("checkpoints.json", "dsse.json")
    for name in ("checkpoints.json", "dsse.json"):
        change(
            folder,
            name,
            lambda values: [swap(case) for case in values["cases"] if case["expect"] in ("accept", "reject")],
        )
    results = by_file(conform(folder))
    assert (results["checkpoints.json"].passed, len(results["checkpoints.json"].failed)) == (0, 39)
    assert (results["dsse.json"].passed, len(results["dsse.json"].failed)) == (4, 16)


def edits() -> Iterator[tuple[str, Callable[[Any], None], str]]:
    """File, damage, and words of the report."""
    zeros = "0" * 64

    def with_value(*path: Any, value: Any) -> Callable[[Any], None]:
        def edit(values: Any) -> None:
            for step in path[:-1]:
                values = values[step]
            values[path[-1]] = value

        return edit

    yield "trees.json", with_value("cases", 9, "root", value="A" * 43 + "="), "root of the leaves differs"
    yield "trees.json", with_value("cases", 9, "n_resources", value=3), "resources, and must be 3"
    yield "trees.json", with_value("cases", 9, "resources_sha256", value=zeros), "digest over all resources differs"
    yield "trees.json", with_value("cases", 1, "resources", "tile/0/000.p/1", value=zeros), "`tile/0/000.p/1` differs"
    yield "trees.json", lambda values: values["cases"][1]["resources"].update({"x": zeros}), "is not a resource"
    yield "trees.json", with_value("seed", value="other"), "root of the leaves differs"
    yield "paths.json", with_value("cases", 0, "n", value=1), "is written"
    yield "paths.json", with_value("reject", 0, value="tile/0/000"), "accepted, and must be rejected"
    yield "checkpoints.json", with_value("cases", 0, "size", value=1001), "size: read otherwise"
    yield "cosignatures.json", with_value("cases", 0, "valid", 0, "timestamp", value=1), "valid are"
    yield (
        "cosignatures.json",
        with_value("cases", 3, "valid", value=[{"name": "x", "id": "00", "timestamp": 1}]),
        "valid are",
    )
    yield "policies.json", with_value("cases", 0, "satisfied_by", 0, 1, value=False), "must not make a quorum"
    yield "dsse.json", with_value("pae", 1, "pae_b64", value="AAAA"), "bytes to be signed differ"
    yield "dsse.json", with_value("cases", 0, "threshold", value=3), "2 of 3 keys signed"
    yield "witness.json", with_value("cases", 0, "status", value=200), "answered 404, and must be 200"
    yield "witness.json", with_value("cases", 3, "response", value="6\n"), "body of the answer"
    yield "witness.json", with_value("cases", 4, "latest_size_after", value=5), "latest size is 9"
    yield "logs.json", with_value("cases", 0, "expect", value="bad"), "accepted, and must be rejected"
    yield "logs.json", with_value("cases", 1, "expect", value="ok"), "rejected, and must be accepted"
    yield "logs.json", with_value("cases", 0, "expect", value="bad-with-prev"), "accepted, and must be rejected"
    yield "logs.json", with_value("cases", 0, "expect", value="bad-with-policy"), "accepted, and must be rejected"
    yield "logs.json", with_value("cases", 0, "expect", value="needs-other-view"), "no case expects `ok`"
    yield "logs.json", with_value("cases", 23, "expect", value="needs-other-view"), "split view"
    yield "logs.json", with_value("cases", 17, "expect", value="needs-other-view"), "fails with the pinned checkpoint"
    yield "logs.json", with_value("cases", 1, "expect", value="bad-with-prev"), "fails already on its own"


EDITS = list(edits())


@pytest.mark.parametrize(("name", "edit", "words"), EDITS, ids=[f"{name}-{words}" for name, _edit, words in EDITS])
def test_damaged_vectors_are_reported(
    copy: Callable[..., Path], name: str, edit: Callable[[Any], None], words: str
) -> None:
    folder = copy(name, *(["logs"] if name == "logs.json" else []))
    change(folder, name, edit)
    (result,) = (result for result in conform(folder) if result.known)
    told = [failure.what for failure in result.failed] + result.broken
    assert any(words in line for line in told), told


def test_damage_of_other_logs_is_reported(copy: Callable[..., Path]) -> None:
    folder = copy("tessera-log", "sunlight", source="thirdparty")
    assert [len(result.failed) for result in conform(folder)] == [0, 0]
    tile = folder / "tessera-log" / "tile" / "0" / "000.p" / "7"
    tile.write_bytes(tile.read_bytes()[:-1] + b"x")
    hashes = folder / "sunlight" / "mirror" / "tile" / "0" / "001.p" / "44"
    hashes.write_bytes(hashes.read_bytes()[:-1] + b"x")
    witness = folder / "sunlight" / "witness-checkpoint.txt"
    witness.write_bytes(witness.read_bytes().replace(b"\n300\n", b"\n301\n"))
    sunlight, tessera = conform(folder)
    assert [failure.desc for failure in tessera.failed] == ["size 7"]
    assert len(sunlight.failed) == 2
    assert (sunlight.passed, tessera.passed) == (3, 31)


def test_a_split_view_must_be_a_contradiction() -> None:
    def report(*heads: bytes) -> FsckReport:
        return FsckReport(5, None, 5, (), 0, (), None, heads or None, {})  # type: ignore[arg-type]  # two or none

    log, fork = MemoryLog(), MemoryLog("false")
    assert split_view_missing(report(), log.keys) is not None
    assert split_view_missing(report(log.checkpoint(5), fork.checkpoint(5)), log.keys) is None
    assert split_view_missing(report(log.checkpoint(5), log.checkpoint(5)), log.keys) is not None
    assert split_view_missing(report(log.checkpoint(5), fork.checkpoint(6)), log.keys) is not None


def test_an_answer_needs_every_cosignature() -> None:
    request = LOG.request(0, 5)
    lines = new_witness().add_checkpoint(request).body
    keys = [signer.verifier for signer in SIGNERS]
    first, second = lines.splitlines(keepends=True)
    assert cosigned(LOG.checkpoint(5), lines, keys) is None
    for answer in (first, second, b"", b"x\n", lines[:-1], new_witness().add_checkpoint(LOG.request(0, 6)).body):
        assert cosigned(LOG.checkpoint(5), answer, keys) is not None, answer


def test_other_programs_transcripts_fail_when_changed(copy: Callable[..., Path]) -> None:
    folder = copy("witness-litewitness.json", "ed25519vectors.json", "notes.json", source="thirdparty")
    change(folder, "witness-litewitness.json", lambda values: values["cases"][2].__setitem__("spec_status", 403))
    change(folder, "ed25519vectors.json", lambda values: values[500].__setitem__("flags", ["low_order_A"]))
    change(folder, "notes.json", lambda values: values["cases"][2].__setitem__("verified", ["PeterNeumann"]))
    assert [len(result.failed) for result in conform(folder)] == [1, 1, 1]


# --- broken files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "null", "3", "{}", '{"cases": 3}', '{"cases": []}', '{"cases": [3, null, "x"]}', "\xff",
     '{"cases": [{}]}'],
)  # fmt: skip
@pytest.mark.parametrize("name", sorted(FILE_CHECKS))
def test_a_broken_file_is_named_and_stops_nothing(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="latin-1")
    (result,) = conform(tmp_path)
    assert result.broken
    assert all(line.startswith(name) for line in result.broken)
    assert (result.passed, result.failed) == (0, [])


def test_one_broken_case_does_not_hide_the_others(copy: Callable[..., Path]) -> None:
    folder = copy("inclusion.json", "vkeys.json")
    change(folder, "inclusion.json", lambda values: values["cases"][4].__setitem__("proof", ["not base64!"]))
    change(folder, "inclusion.json", lambda values: values["cases"][5].__delitem__("root"))
    inclusion, vkeys = conform(folder)
    assert inclusion.broken == [
        "inclusion.json: cases 5: `proof` is not base64",
        "inclusion.json: cases 6 has no field `root`",
    ]
    assert (inclusion.passed, vkeys.passed) == (413, 10)


def test_unknown_files_are_listed(copy: Callable[..., Path]) -> None:
    folder = copy("vkeys.json", "logs.json", "logs")
    (folder / "surprise.json").write_text("{}")
    (folder / "deep").mkdir()
    (folder / "logs" / "extra.tar.gz").write_bytes(b"")
    (folder / "README.md").write_text("")
    results = conform(folder)
    assert [result.file for result in results if not result.known] == ["deep", "logs/extra.tar.gz", "surprise.json"]


@pytest.mark.parametrize("make", [lambda _path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_a_folder_without_vectors_is_an_error(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path / "place")
    with pytest.raises(InputError):
        conform(tmp_path / "place")


# --- archives ---------------------------------------------------------------------------------------------------------


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as target:
        for info, data in members:
            info.size = len(data)
            target.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_archives_are_read_into_memory(tmp_path: Path) -> None:
    path = archive(tmp_path / "a", (member("tile", tarfile.DIRTYPE), b""), (member("./tile/0/000"), b"x"))
    assert read_archive(path, "a") == {"tile/0/000": b"x"}


@pytest.mark.parametrize(
    "members",
    [
        [(member("../x"), b"x")],
        [(member("/etc/x"), b"x")],
        [(member("a/../../x"), b"x")],
        [(member("x", tarfile.SYMTYPE, "/etc/passwd"), b"")],
        [(member("x", tarfile.LNKTYPE, "y"), b"")],
        [(member("x", tarfile.FIFOTYPE), b"")],
        [(member("x", tarfile.CHRTYPE), b"")],
        [(member("x"), b"1"), (member("./x"), b"2")],
    ],
)
def test_unsafe_archives_are_refused(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with pytest.raises(BrokenVector, match="is not taken"):
        read_archive(archive(tmp_path / "a", *members), "a")


def test_archives_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundrule.ledger.conform_trees.MAX_ARCHIVE_BYTES", 1000)
    monkeypatch.setattr("groundrule.ledger.conform_trees.MAX_ARCHIVE_FILES", 3)
    assert len(read_archive(archive(tmp_path / "a", (member("x"), bytes(1000))), "a")) == 1
    with pytest.raises(BrokenVector, match="more than 1000 bytes"):
        read_archive(archive(tmp_path / "a", (member("x"), bytes(999)), (member("y"), b"12")), "a")
    with pytest.raises(BrokenVector, match="more than 3 files"):
        read_archive(archive(tmp_path / "a", *((member(f"x{number}"), b"") for number in range(4))), "a")


@pytest.mark.parametrize("cut", [0, 1, 20, 200, -1])
def test_cut_archives_are_refused(copy: Callable[..., Path], cut: int) -> None:
    path = copy("logs/good.tar.gz") / "logs" / "good.tar.gz"
    data = path.read_bytes()
    path.write_bytes(data[:cut] if cut >= 0 else data[:-40])
    with pytest.raises(BrokenVector, match="cannot be read"):
        read_archive(path, "good")


@pytest.mark.parametrize("file", ["../../x.tar.gz", "/etc/passwd", "logs/none.tar.gz", "logs"])
def test_a_list_names_archives_within_its_folder(copy: Callable[..., Path], file: str) -> None:
    folder = copy("logs.json", "logs")
    change(folder, "logs.json", lambda values: values["cases"][5].__setitem__("file", file))
    (result,) = (result for result in conform(folder) if result.known)
    assert result.passed == 23
    assert len(result.broken) == 1
    assert "cases 6" in result.broken[0]


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_and_ends_with_the_right_code(copy: Callable[..., Path]) -> None:
    import typer

    from groundrule.cli import ledger_witness

    app = typer.Typer()
    app.command()(ledger_witness.conform)
    runner = CliRunner()
    folder = copy("vkeys.json", "checkpoints.json")
    (folder / "surprise.txt").write_text("")
    shown = runner.invoke(app, [str(folder)])
    assert shown.exit_code == 0
    assert "unknown  surprise.txt" in shown.stdout
    assert "implementation-defined" in shown.stdout
    assert shown.stdout.splitlines()[3].split() == ["total", "49", "0", "2", "0"]
    change(folder, "vkeys.json", lambda values: flip("valid")(values["cases"][0]))
    failed = runner.invoke(app, [str(folder), "--json"])
    assert failed.exit_code == 1
    told = json.loads(failed.stdout)
    assert (told["passed"], told["failed"], told["skipped"], told["unknown"]) == (48, 1, 2, ["surprise.txt"])
    assert told["files"][1]["failed"][0]["what"].startswith("accepted")
    (folder / "vkeys.json").write_text("{")
    broken = runner.invoke(app, [str(folder)])
    assert broken.exit_code == 2
    assert "BROKEN   vkeys.json is not JSON" in broken.stdout
    assert base64.b64encode(b"x") not in broken.stdout_bytes
