"""What is said where the log is away, and that no answer names a path of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Served, served

from groundrule.api.bare import without_paths
from groundrule.api.problems import problem_of
from groundrule.errors import StoreError
from groundrule.pipeline.home_ledger import keys_folder, log_folder
from groundrule.store.home import Home
from small_home import copy_home


@pytest.fixture(scope="module")
def away(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(copy_home(served_template, tmp_path_factory.mktemp("away") / "home")) as made:
        yield made


@pytest.mark.parametrize("part", ["log", "keys", "records"])
def test_a_receipt_is_not_there_now_rather_than_not_at_all(away: Served, part: str) -> None:
    who, home = away.key("officer"), away.service.homes["default"].home
    place: Path = {"log": log_folder(home), "keys": keys_folder(home), "records": home.path / "records.sqlite"}[part]
    assert away.get("/v1/terminals/car/receipt", who).status_code == 200
    hidden = place.with_name(f"{place.name}-away")
    place.rename(hidden)
    try:
        answer = away.get("/v1/terminals/car/receipt", who)
    finally:
        hidden.rename(place)
    read = answer.json()
    assert (answer.status_code, read["code"]) == (503, "log_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "out of reach" in read["detail"]
    assert str(home.path.parent) not in answer.text
    assert away.get("/v1/terminals/nobody/receipt", who).status_code == 404
    assert away.get("/v1/terminals/car/receipt", who).status_code == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cannot read `/srv/a b/home/records.sqlite`: no", "cannot read `records.sqlite`: no"),
        ("the folder `/srv/home/` is gone", "the folder `home` is gone"),
        ("see /var/lib/home/ledger/policy, and C:/Users/me/home", "see policy, and home"),
        ("no receipt: the log of `/tmp/x/home` is gone, or was not completely made: there is no `/tmp/x/home/ledger/policy`",
         "no receipt: the log of `home` is gone, or was not completely made: there is no `policy`"),
        ("ask /v1/status or `/v1/jobs/7`; https://example.org/a/b stays, and 1/2, and/or, `km/h` too",
         "ask /v1/status or `/v1/jobs/7`; https://example.org/a/b stays, and 1/2, and/or, `km/h` too"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)  # fmt: skip
def test_of_a_path_only_its_last_part_is_said(text: str, said: str) -> None:
    assert without_paths(text) == said


def test_a_problem_names_no_path() -> None:
    made = problem_of(StoreError("cannot read `/srv/home/x.sqlite`: gone", help="look into /srv/home/log", path="/srv/home/x.sqlite"))
    assert (made.detail, made.help) == ("cannot read `x.sqlite`: gone", "look into log")
