"""What owners and regulators see: their own, and never limits, rules, margins or other terminals."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from homes import LONG, STRANGE, T0, Served, served

from groundrule.api.principal import principal_of
from groundrule.api.seen import areas_of_countries, sight_of
from groundrule.instant import NS_PER_S, format_instant
from groundrule.rules.model import Rulebook
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from small_home import BOOK, copy_home, register

OF_A = {"car", "train", "van", STRANGE}
"""Terminals of account acc-a."""
PATHS = ("", "/decisions", "/track", "/explanation", "/receipt")
Who = dict[str, str]


@pytest.fixture
def owner(reading: Served) -> Who:
    return reading.key("owner", accounts=["acc-a"])


@pytest.fixture
def regulator(reading: Served) -> Who:
    return reading.key("regulator", countries=["BE"])


def path_of(terminal: str, rest: str = "") -> str:
    return f"/v1/terminals/{quote(terminal, safe='')}{rest}"


def ids(served_: Served, who: Who, path: str = "/v1/terminals?limit=1000") -> set[str]:
    return {each["id"] for each in served_.get(path, who).json()["items"]}


def test_an_owner_sees_the_own_terminals_and_a_regulator_those_in_its_countries(
    reading: Served, owner: Who, regulator: Who
) -> None:
    everybody = {"car", "guest", "van", "late payer", "train", STRANGE, LONG, "stranger"}
    assert ids(reading, reading.key("viewer")) == everybody
    assert ids(reading, owner) == OF_A
    assert ids(reading, regulator) == {"guest", LONG, "stranger"}


@pytest.mark.parametrize("rest", PATHS)
def test_what_is_not_seen_is_answered_like_what_does_not_exist(reading: Served, owner: Who, regulator: Who, rest: str) -> None:
    for who, hidden in ((owner, "guest"), (owner, "stranger"), (regulator, "car"), (regulator, "van")):
        answer, nothing = reading.get(path_of(hidden, rest), who), reading.get(path_of("no such one", rest), who)
        assert answer.status_code == nothing.status_code == 404
        assert answer.text.replace(hidden, "X") == nothing.text.replace("no such one", "X")


@pytest.mark.parametrize("rest", PATHS)
def test_what_is_seen_is_answered(reading: Served, owner: Who, regulator: Who, rest: str) -> None:
    for who, shown in ((owner, "car"), (owner, STRANGE), (regulator, "guest"), (regulator, LONG)):
        assert reading.get(path_of(shown, rest), who).status_code == 200, (shown, rest)


def test_a_regulator_sees_only_the_decisions_in_its_countries(reading: Served, regulator: Who) -> None:
    everything = reading.get(path_of("guest", "/decisions"), reading.key("viewer")).json()["items"]
    seen = reading.get(path_of("guest", "/decisions"), regulator).json()["items"]
    bland = [each["observed_at"] for each in everything if any(area["id"] == "country:BE" for area in each["areas"])]
    assert 0 < len(bland) < len(everything)
    assert [each["observed_at"] for each in seen] == bland
    track = reading.get(path_of("guest", "/track"), regulator).json()["items"]
    assert sorted(each["observed_at"] for each in track) == sorted(bland)
    before = everything[-1]["observed_at"]
    for rest in ("/explanation", "/receipt"):
        assert reading.get(path_of("guest", f"{rest}?at={before}"), regulator).status_code == 404


def numbers_of(book: Rulebook) -> set[str]:
    """Limits that the rules state, as they would stand in a text."""
    return {"75", "70", "2 days", "20.8", "30 s"} if book.id == "small" else set()


@pytest.mark.parametrize("terminal", ["car", "van", STRANGE, "train"])
def test_no_limit_no_rule_and_no_margin_reaches_an_owner(reading: Served, owner: Who, terminal: str) -> None:
    book = read_rulebook(BOOK)
    forbidden = {rule.id for rule in book.rules} | {rule.title for rule in book.rules} | numbers_of(book)
    inside = "".join(reading.get(path_of(terminal, rest), reading.key("analyst")).text for rest in PATHS[:-1])
    assert any(word in inside for word in forbidden), "the check would find nothing"
    for rest in PATHS[:-1]:
        answer = reading.get(path_of(terminal, rest), owner)
        text = re.sub(r'"[a-z_]*(?:_at|until|at)":"[^"]*"|"(?:lat|lon)":[-0-9.]+|receipt\?at=[^"]*|sha256:[0-9a-f]+', "", answer.text)
        found = {word for word in forbidden if re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", text)}
        assert not found, (rest, found)
        for member in ("nearest", "applied", "margin", "findings", "probability", "relief", "evidence\":\"", "membership"):
            assert member not in text, (rest, member)


def test_an_owner_cannot_ask_for_the_operators_explanation(reading: Served, owner: Who, regulator: Who) -> None:
    for who, name in ((owner, "car"), (regulator, "guest")):
        assert reading.get(path_of(name, "/explanation?for=operator"), who).status_code == 403
        read = reading.get(path_of(name, "/explanation?for=owner"), who).json()
        assert read["audience"] == "owner"
        assert {"reason", "sentence", "basis", "receipt"} <= read.keys()
        assert not {"rule", "applied", "nearest", "relief", "also", "areas", "position", "requested_by"} & read.keys()


def test_a_denied_owner_reads_reason_basis_message_and_the_way_to_appeal(reading: Served, owner: Who) -> None:
    read = reading.get(path_of("car", "/explanation"), owner).json()
    assert (read["outcome"], read["reason"]) == ("deny", "moving_too_fast_for_policy")
    assert read["basis"] == "an order (invented)"
    assert read["message"] == "The terminal moves too fast."
    assert read["appeal"] == "write to appeals@example.org"
    assert reading.get(read["receipt"], owner).status_code == 200


def test_the_operator_reads_why_and_why_not(reading: Served) -> None:
    who = reading.key("viewer")
    denied = reading.get(path_of("car", "/explanation"), who).json()
    assert denied["rule"] == "too-fast"
    assert denied["title"].startswith("Over Aland")
    assert denied["applied"][0]["decisive"]
    assert denied["position"]["lat_deg"] == pytest.approx(5)
    served_ = reading.get(path_of(STRANGE, "/explanation"), who).json()
    assert served_["outcome"] == "serve"
    assert served_["nearest"][0]["rule"] in {"too-fast", "closed-zone", "suspended"}
    assert reading.get(path_of("car", "/explanation?for=owner"), who).json()["audience"] == "owner"


def test_receipts_open_to_each_what_each_may_see(reading: Served, owner: Who, regulator: Who) -> None:
    from groundrule.ledger.audit.receipts import verify_receipt
    from groundrule.pipeline.home_ledger import policy_of

    policy = policy_of(reading.service.homes["default"].home)
    opened = {}
    for name, who, terminal in (("owner", owner, "car"), ("regulator", regulator, "guest"), ("viewer", reading.key("viewer"), "car")):
        proof = reading.get(path_of(terminal, "/receipt"), who)
        assert proof.headers["content-type"].startswith("text/plain")
        opened[name] = set(verify_receipt(proof.content, policy).fields)
    assert {"terminal_id", "position", "outcome"} <= opened["owner"]
    assert not {"rule", "evidence", "findings"} & opened["owner"]
    assert "outcome" in opened["regulator"]
    assert not {"terminal_id", "position", "account_id", "h3_r7", "owner_tag"} & opened["regulator"]
    assert not {"terminal_id", "position", "account_id"} & opened["viewer"]


def test_a_terminal_that_was_sold_shows_each_owner_the_own_time_only(served_template: Home, tmp_path: Path) -> None:
    home = copy_home(served_template, tmp_path / "home")
    sold = T0 + 60 * NS_PER_S
    from governed_home import START

    row = f"terminal_id,account_id,plan,valid_from\ncar,acc-b,roam,{format_instant(sold)}\n"
    register(home, "terminals", row, recorded_at=START + 5000 * NS_PER_S)
    with served(home) as service:
        before, after = service.key("owner", accounts=["acc-a"]), service.key("owner", accounts=["acc-b"])
        old, new = (service.get(path_of("car", "/decisions"), who).json()["items"] for who in (before, after))
        assert {each["observed_at"] < format_instant(sold) for each in old} == {True}
        assert {each["observed_at"] >= format_instant(sold) for each in new} == {True}
        assert len(old) + len(new) == 12
        assert "car" in ids(service, after)
        assert "car" not in ids(service, before)
        assert service.get(path_of("car", "/explanation"), before).json()["observed_at"] < format_instant(sold)
        assert service.get(path_of("car", f"/receipt?at={format_instant(sold)}"), before).status_code == 200
        assert service.get(path_of("car", f"/explanation?at={format_instant(T0)}"), after).status_code == 404
        row = service.get(path_of("car"), before).json()
        assert row["observed_at"] < format_instant(sold)
        assert row["register"] is None


def test_the_map_of_an_owner_and_of_a_regulator_holds_their_own(reading: Served, owner: Who, regulator: Who) -> None:
    at = format_instant(T0 + 600 * NS_PER_S)
    for query in ("", f"?at={at}"):
        mine = reading.get(f"/v1/map{query}", owner).json()
        theirs = reading.get(f"/v1/map{query}", regulator).json()
        assert set(mine["points"]["id"]) <= OF_A
        assert mine["total"] == len(OF_A)
        assert set(theirs["points"]["id"]) == {"guest", LONG, "stranger"}
        assert set(mine["points"]["kind"]) == set(theirs["points"]["kind"]) == {None}


def test_an_owner_without_accounts_and_a_country_that_is_nowhere_see_nothing(reading: Served) -> None:
    live = reading.service.homes["default"]
    for claims in ({"roles": ["owner"]}, {"roles": ["regulator"], "countries": ["XX"]}, {"roles": ["ingest"]}):
        sight = sight_of(live, principal_of({"id": "x", **claims}, by="key"))
        mask = sight.of_fleet(live.fleet())
        assert mask is not None
        assert not mask.any()
    assert areas_of_countries(live.basis.areas, frozenset({"AT"})) == {"country:AT", "sea:AT"}


def test_a_hidden_area_tells_a_regulator_nothing(reading: Served, regulator: Who, owner: Who) -> None:
    assert ids(reading, regulator, "/v1/terminals?area=country:AT") == set()
    assert ids(reading, regulator, "/v1/terminals?area=country:BE") == {"guest", LONG, "stranger"}
    assert ids(reading, owner, "/v1/terminals?area=country:AT") == set()
    assert "van" in ids(reading, reading.key("viewer"), "/v1/terminals?area=closed")


def test_the_register_row_is_cut_for_owner_and_regulator(reading: Served, owner: Who, regulator: Who) -> None:
    mine = reading.get(path_of("car"), owner).json()["register"]
    theirs = reading.get(path_of("guest"), regulator).json()["register"]
    whole = reading.get(path_of("car"), reading.key("viewer")).json()["register"]
    assert mine["account_id"] == whole["account_id"] == "acc-a"
    assert "donor" in whole
    assert "donor" not in mine
    assert "account_id" not in theirs
    assert theirs["plan"] == "roam"


