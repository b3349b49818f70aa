"""One directory, one writer, and files that are whole or absent."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.store import Home
from groundrule.store.durable import durable_file, write_durably


def test_a_created_home_opens_with_the_same_identity(tmp_path: Path) -> None:
    made = Home.create(tmp_path / "home")
    assert Home.open(tmp_path / "home") == made
    assert all(
        (made.path / name).is_dir() for name in ("areas", "rulebooks", "history", "manifests", "rejected", "cache")
    )


def test_genesis_happens_once(tmp_path: Path) -> None:
    Home.create(tmp_path / "home")
    with pytest.raises(ConflictError, match="is a home already"):
        Home.create(tmp_path / "home")


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(ConflictError, match="not empty"):
        Home.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_opening_what_is_no_home_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Home.open(tmp_path / "nowhere")
    assert caught.value.help == f"make one with: groundrule init --home {tmp_path / 'nowhere'}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": "other", "version": 1, "id": "x"}', "not a groundrule home"),
        (json.dumps({"format": "groundrule-home", "version": 99, "id": "x"}), "format version 99"),
    ],
)
def test_a_home_file_that_cannot_be_used_is_said_so(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "home.json").write_text(content)
    with pytest.raises(InputError, match=said):
        Home.open(tmp_path)


def test_a_second_writer_in_another_process_is_refused_at_once_with_the_first_ones_process_id(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    script = (
        "import sys, time\nfrom groundrule.store.home import Home\n"
        f"with Home.open({str(home.path)!r}).writer():\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        began = time.monotonic()
        with pytest.raises(ConflictError, match=f"process {first.pid} is writing") as caught, home.writer():
            pass
        assert time.monotonic() - began < 1.0
        assert caught.value.context["pid"] == first.pid
        first.kill()
    with home.writer():  # a killed writer leaves no lock behind
        pass


def test_a_second_writer_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    with home.writer(), pytest.raises(ConflictError, match="is writing"), home.writer():
        pass
    with home.writer():
        pass


def test_a_durable_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_durably(path, b"old")

    def half() -> None:
        with durable_file(path) as stream:
            stream.write(b"ne")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        half()
    assert path.read_bytes() == b"old"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        write_durably(tmp_path / "file" / "below", b"x")


def test_history_may_lie_on_another_disk_and_is_known_there(tmp_path: Path) -> None:
    made = Home.create(tmp_path / "home", history=tmp_path / "disk" / "history")
    assert made.history == tmp_path / "disk" / "history"
    assert not (made.path / "history").exists()
    assert Home.open(tmp_path / "home") == made
    assert json.loads((made.path / "home.json").read_bytes())["version"] == 3


@pytest.mark.parametrize("lost", ["folder", "mark", "another"])
def test_a_history_that_is_not_mounted_is_never_taken_for_one_without_rows(tmp_path: Path, lost: str) -> None:
    made = Home.create(tmp_path / "home", history=tmp_path / "disk")
    if lost == "folder":
        (tmp_path / "disk").rename(tmp_path / "away")
    elif lost == "mark":
        (tmp_path / "disk" / "groundrule-history.json").unlink()
    else:
        Home.create(tmp_path / "second", history=tmp_path / "other")
        (tmp_path / "disk").rename(tmp_path / "away")
        (tmp_path / "other").rename(tmp_path / "disk")
    with pytest.raises(StoreError, match="another home" if lost == "another" else "is not there") as caught:
        Home.open(made.path)
    assert "mount" in str(caught.value.help)


@pytest.mark.parametrize("place", ["home", "home/history", "."])
def test_a_history_elsewhere_lies_outside_of_the_home(tmp_path: Path, place: str) -> None:
    with pytest.raises(InputError, match="lie in each other"):
        Home.create(tmp_path / "home", history=tmp_path / place)
    assert not (tmp_path / "home").exists()


def test_a_history_elsewhere_takes_no_place_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "letter.txt").write_text("keep me")
    with pytest.raises(ConflictError, match="not empty"):
        Home.create(tmp_path / "home", history=tmp_path / "disk")
    assert not (tmp_path / "home").exists()
