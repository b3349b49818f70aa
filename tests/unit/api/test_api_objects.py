"""A service whose history lies in object storage answers as one with a disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from homes import Served, served

from governed_home import START
from groundrule.instant import NS_PER_S
from groundrule.store.home import Home
from groundrule.store.places import put_all
from object_storage import Storage
from small_home import copy_home

ASKED = ("/v1/terminals/car", "/v1/terminals?limit=10")


def moved(home: Home, storage: Storage) -> Home:
    """The same home, and its history in object storage."""
    place = storage.place()
    files = [path for path in (home.path / "history").rglob("*") if path.is_file()]
    put_all([(path, place / path.relative_to(home.path / "history").as_posix()) for path in files])
    shutil.rmtree(home.path / "history")
    there = replace(home, history_at=place)
    there.mark_history()
    (home.path / "home.json").write_bytes(there.description())
    return Home.open(home.path)


def answers(here: Served) -> list[Any]:
    at = START + 7000 * NS_PER_S
    rows = [{"terminal_id": "car", "observed_at": at, "lat_deg": 5, "lon_deg": 5}, {"terminal_id": "van", "observed_at": at}]
    sent = here.client.post(
        "/v1/observations", content=json.dumps({"rows": rows}).encode(), headers=here.key("ingest") | {"Content-Type": "application/json"}
    )
    who = here.key("auditor")
    told = [here.get(path, who) for path in ASKED]
    return [sent.status_code, sent.json(), *(part for each in told for part in (each.status_code, each.json()))]


def test_a_service_answers_the_same_wherever_history_lies(served_template: Home, storage: Storage, tmp_path: Path) -> None:
    found = []
    for name in ("disk", "away"):
        home = copy_home(served_template, tmp_path / name)
        with served(moved(home, storage) if name == "away" else home) as here:
            found.append(answers(here))
    assert found[0] == found[1]
    assert found[0][0] == found[0][2] == found[0][4] == 200
