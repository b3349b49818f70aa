"""Insiders against a governed home: each attack is made with what the insider holds (files, SQL, keys of the log), and a
command that an officer or an outsider runs reveals it. The table in docs/governance.md names these tests.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from board import Board, make_board
from console import Answer, groundrule, refused
from governed_home import OTHER_BOOK, START, Clock, Desk, Witnesses, base_home, desk
from governed_world import DAY, HOUR, MINUTE, ROOT_MEMBERS, SECOND, envelope, member, party
from groundrule.errors import ConflictError
from groundrule.govern.quorum import enactment
from groundrule.govern.signed import format_time
from groundrule.pipeline.home import basis_of, store_rulebook
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, keys_folder, log_folder
from groundrule.pipeline.runs import decide
from groundrule.pipeline.tamper import altered_decision
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from small_home import BOOK, LIST, copy_home, inputs, make_home, register, run, stream

TRAINS_PASS = BOOK.replace("unless: [{list: pass}]", "unless: [{list: pass}, {programme: rail}]").replace("version: 1", "version: 2")
SOFT = BOOK.replace("above: 75, release_below: 70", "above: 900, release_below: 850").replace("version: 1", "version: 9")
PERSON = {"id": "inv-1", "schema": "Person", "properties": {"name": ["Doktor Exempel Listed (invented)"], "topics": ["sanction"]}}
PROXY = "party-" + "ab" * 16
REPORT = "terminal_id,observed_at,lat_deg,lon_deg\ntrain,2026-11-20T11:00:00Z,2.5,2.5\n"


def stamp(offset_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + offset_s))


# --- a governed home, by command ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """A home with a list, a run, a charter, and one enactment."""
    folder = tmp_path_factory.mktemp("insiders")
    home = make_home(folder / "home", ledger=LedgerSetup())
    register(home, "list_entries", LIST)
    run(home, stream(3))
    board = make_board(home.path, folder)
    board.begin()
    proposal = str(board.propose({"rulebook": board.write("trains.yaml", TRAINS_PASS)})["proposal"])
    board.approve(proposal, "ada", "bo")
    assert board.run("enact", proposal)["in_force"]
    board.run("lists", "import", board.write("first.ftm.json", json.dumps(PERSON) + "\n"), "--source", "invented-list",
              "--published", "2026-11-01")  # fmt: skip
    return board


@pytest.fixture
def board(template: Board, tmp_path: Path) -> Board:
    shutil.copytree(template.folder, tmp_path / "case", ignore=shutil.ignore_patterns("*.seen*"))
    return Board(tmp_path / "case" / "home", tmp_path / "case", template.parties)


def watch(board: Board, *more: object, code: int = 0) -> Any:
    """What a monitor sees that has nothing but the public folder of the log, and remembers in a file of its own."""
    answer = groundrule("ledger", "monitor", "--log", log_folder(Home.open(board.home)), "--state", board.folder / "watch.json",
                        "--json", *more)  # fmt: skip
    assert answer.code == code, answer
    return answer.json


def alerts(report: Any) -> list[str]:
    return [each["kind"] for each in report["alerts"]]


def codes(board: Board) -> list[str]:
    return [each["code"] for each in board.run("govern", "refusals")["refused"]]


def with_power(board: Board, attack: Callable[[sqlite3.Connection], None]) -> None:
    """Do something to the registers as who runs the machine: triggers off, and on again afterwards without a trace."""
    with closing(sqlite3.connect(board.home / "registers.sqlite")) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        attack(connection)
        for _, statement in triggers:
            connection.execute(statement)
        connection.commit()


# --- what is in force is edited -----------------------------------------------------------------------------------------


def _edit_list(connection: sqlite3.Connection) -> None:
    assert connection.execute("UPDATE list_entries SET terminal_id='train' WHERE terminal_id='van'").rowcount == 1


def _delete_list(connection: sqlite3.Connection) -> None:
    assert connection.execute("DELETE FROM list_entries").rowcount == 1


def _undo_enactment(connection: sqlite3.Connection) -> None:
    last = "(SELECT max(log_index) FROM policy_enactments)"
    assert connection.execute(f"DELETE FROM policy_enactments WHERE log_index={last}").rowcount == 1


def _undo_governance(connection: sqlite3.Connection) -> None:
    for name in ("policy_enactments", "policy_writing", "policy_never"):
        connection.execute(f"DELETE FROM {name}")


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (_edit_list, "lists were changed without an enactment"),
        (_delete_list, "lists were changed without an enactment"),
        (_undo_enactment, "the tables name other enactments than the log"),
        (_undo_governance, "the tables name other enactments than the log"),
    ],
)
def test_an_administrator_edits_a_list_or_takes_an_enactment_back(
    board: Board, attack: Callable[[sqlite3.Connection], None], said: str
) -> None:
    assert board.run("replay")["identical"]
    with_power(board, attack)
    answer = board.try_("replay")
    assert answer.code == 1
    assert said in " ".join(answer.json["faults"])
    # Nothing is decided under it either, and that is said at the start.
    started = board.try_("decide", board.write("o.csv", REPORT))
    assert started.code != 0
    assert said in started.err


def test_an_administrator_puts_another_rulebook_into_force(board: Board) -> None:
    soft = read_rulebook(SOFT)
    store_rulebook(Home.open(board.home), soft)
    with_power(
        board,
        lambda connection: connection.execute("UPDATE policy_enactments SET rulebook=?", (soft.digest,)) and None,
    )
    for command in (("replay",), ("govern", "check"), ("decide", board.write("o.csv", REPORT))):
        answer = board.try_(*command)
        assert answer.code == 1, (command, answer)
        assert "the tables name other enactments than the log" in answer.out + answer.err


def test_an_administrator_edits_a_decision(board: Board) -> None:
    home = Home.open(board.home)
    with altered_decision(home, 1):
        assert board.try_("replay").code == 1
    assert board.try_("replay").code == 0
    with closing(sqlite3.connect(board.home / "records.sqlite")) as connection:
        connection.execute("UPDATE record SET content=replace(content, '\"deny\"', '\"serve\"')")
        connection.commit()
    answer = board.try_("replay")
    assert answer.code == 1
    assert "is not what was committed to" in " ".join(answer.json["faults"])


# --- ghosts -------------------------------------------------------------------------------------------------------------


def decide_under(board: Board, text: str) -> None:
    """Let the engine run under a rulebook that nobody enacted, with the log's own keys."""
    home = Home.open(board.home)
    with home.writer(), HomeLedger.open(home) as ledger:
        basis = basis_of(home, recorded_at_ns=time.time_ns(), rulebook=read_rulebook(text))
        decide(home, inputs(stream(4)), recorded_at_ns=time.time_ns(), basis=basis, ledger=ledger)


def test_a_ghost_rule_shows_by_its_digest(board: Board) -> None:
    assert watch(board)["governance"]["enactments"] == 1
    decide_under(board, SOFT)
    seen = watch(board, code=1)
    assert "unknown-policy" in alerts(seen)
    # An honest batch follows; the finding stays until a person has seen it.
    assert "unknown-policy" in alerts(watch(board, code=1))


def test_a_ghost_rule_that_was_announced_by_hand_is_still_one(board: Board) -> None:
    watch(board)
    home, soft = Home.open(board.home), read_rulebook(SOFT)
    with home.writer(), HomeLedger.open(home) as ledger:
        ledger.announce_policy(soft.digest, basis_of(home, recorded_at_ns=time.time_ns()).areas.digest, note="as ever")
        ledger.commit()
    decide_under(board, SOFT)
    seen = watch(board, code=1)
    assert sorted(alerts(seen)) == ["old-policy", "unknown-policy"]
    assert "no enactment of this charter" in seen["alerts"][0]["what"]


def test_the_rule_of_yesterday_is_a_ghost_too(board: Board) -> None:
    watch(board)
    decide_under(board, BOOK)
    assert alerts(watch(board, code=1)) == ["old-policy"]


def test_an_enactment_written_into_the_log_by_hand_has_no_effect(board: Board) -> None:
    watch(board)
    file = board.write("entries.jsonl", json.dumps({"kind": "enactment", "stream": "governance", "body": {}}) + "\n")
    assert board.try_("ledger", "append", file).code != 0
    proposal = str(board.propose({"rulebook": board.write("soft.yaml", SOFT)})["proposal"])
    home = Home.open(board.home)
    body = board.run("ledger", "prove", "--entry", _index(board, "enactment"), "--out", board.folder / "e.tlog-proof")
    held = json.loads(Path(body["entry"]).read_bytes())["body"]
    with home.writer(), HomeLedger.open(home) as ledger:
        ledger.queue("enactment", held | {"proposal_digest": proposal, "enacted_at": stamp(0)})
        ledger.commit()
    seen = watch(board, code=1)
    assert alerts(seen) == ["no-effect"]
    assert "this enactment has no effect" in seen["alerts"][0]["what"]
    assert board.try_("govern", "status").code == 1


def _index(board: Board, kind: str) -> int:
    home = Home.open(board.home)
    with home.writer(), HomeLedger.open(home) as ledger:
        return ledger.records.logged_in("governance", kind)[-1]


# --- persons ------------------------------------------------------------------------------------------------------------


def test_sock_puppets_need_the_old_quorum(board: Board) -> None:
    for name in ("sock1", "sock2"):
        assert groundrule("key", "new", board.key(name)).code == 0
    draft = board.draft()
    draft["persons"] |= {name: {"keys": [f"{name}.key.pub"], "unit": "x (invented)", "group": "network"} for name in ("sock1", "sock2")}
    draft["roles"]["root"] = {"need": 3, "of": ["ada", "sock1", "sock2", "di"]}
    board.run("charter", "draft", board.write("next.yaml", draft), "--out", board.folder / "next.json")
    signed = []
    for name in ("ada", "sock1", "sock2"):
        signed.append(board.folder / f"{name}.next")
        assert groundrule("charter", "sign", board.folder / "next.json", "--key", board.key(name), "--out", signed[-1], "--yes").code == 0
    refused(board.try_("charter", "rotate", *signed), "root persons signed")
    assert len(codes(board)) == 1
    assert board.run("charter", "show")["charter"]["version"] == 1
    # By hand in the log the charter has no effect, and everybody sees it.
    envelopes = [json.loads(file.read_bytes()) for file in signed]
    whole = envelopes[0] | {"signatures": [each["signatures"][0] for each in envelopes]}
    home = Home.open(board.home)
    with home.writer(), HomeLedger.open(home) as ledger:
        ledger.queue("charter", whole)
        ledger.commit()
    assert alerts(watch(board, code=1)) == ["no-effect"]
    # One key for two persons is no charter at all; puppets of one house are one independence group.
    draft["persons"]["sock2"]["keys"] = ["sock1.key.pub"]
    refused(board.try_("charter", "draft", board.write("two.yaml", draft)), "charter")


def asked(board: Board, requester: object, *chain: object, screen: bool = True) -> str:
    board.write("letter.txt", "Let trains pass (invented).")
    value = {
        "requester": requester, "on_behalf_of": list(chain) or ["self"], "channel": "letter", "purpose": "commercial",
        "received_by": board.parties["reg"], "received_at": stamp(-3600), "text": "letter.txt",
        "ask": [{"op": "serve", "object": "rulebook/small"}],
    }  # fmt: skip
    made = board.run("request", "open", board.write("request.json", value))
    if screen:
        board.run("request", "screen", made["id"])
    return str(made["id"])


def test_an_own_request_through_a_proxy_counts_for_nothing(board: Board) -> None:
    proxy = {"id": PROXY, "kind": "legal_entity", "names": ["Strohfirma Muster (invented)"]}
    request = asked(board, proxy, board.parties["ada"], screen=False)
    soft = {"rulebook": board.write("soft.yaml", SOFT)}
    first = str(board.propose(soft, requests=[request])["proposal"])
    # Ada stands behind the proxy, and bo edits the text that he wants to approve.
    refused(board.approve(first, "ada", code=2)[0], "principal")
    edit = {"author": board.parties["bo"], "supersedes": first, "rationale": "bo's edit (invented)"}
    second = str(board.propose(soft, requests=[request], **edit)["proposal"])
    refused(board.approve(second, "bo", code=2)[0], "author")
    third = str(board.propose(soft, requests=[request], supersedes=second, rationale="one word more (invented)")["proposal"])
    refused(board.approve(third, "bo", code=2)[0], "editor")
    # Cy has met the proxy and told so; the statement `none` in the approval changes nothing.
    told = {
        "covered_person": board.parties["cy"], "counterparty": PROXY, "counterparty_kind": "legal_entity",
        "channel": "meeting", "occurred_from": stamp(-7200), "occurred_to": stamp(-3600), "reported_by": board.parties["cy"],
        "basis": "self",
    }  # fmt: skip
    board.run("contact", "add", board.write("contact.json", told), "--key", board.key("cy"))
    fourth = str(board.propose(soft, requests=[request], rationale="again (invented)")["proposal"])
    refused(board.approve(fourth, "cy", code=2)[0], "contact")
    assert codes(board) == ["principal", "author", "editor", "contact"]
    refused(board.try_("enact", fourth), "was never screened", "rejected")


def test_a_concealed_contact_that_an_article_shows(board: Board) -> None:
    request = asked(board, {"id": PROXY, "kind": "legal_entity", "names": ["Fernost Muster (invented)"]})
    proposal = str(board.propose({"rulebook": board.write("soft.yaml", SOFT)}, requests=[request])["proposal"])
    board.approve(proposal, "ada", "bo")
    enacted = board.run("enact", proposal)
    assert enacted["in_force"]
    board.write("article.html", "A dinner three years ago (invented).")
    told = {
        "covered_person": board.parties["ada"], "counterparty": PROXY, "counterparty_kind": "legal_entity",
        "capacity": "private", "channel": "meeting", "occurred_from": stamp(-90 * 86_400), "occurred_to": stamp(-90 * 86_400),
        "reported_by": {"kind": "legal_entity", "names": ["Tagblatt Muster (invented)"]}, "basis": "press",
        "evidence": [{"file": "article.html", "url": "https://example.org/a", "lang": "en"}],
    }  # fmt: skip
    made = board.run("contact", "add", board.write("press.json", told))
    assert (made["status"], made["late"], made["allegation"]) == ("alleged", True, True)
    listed = board.run("contact", "list", "--late")["contacts"]
    assert listed[0]["index"] == made["index"] > enacted["index"]
    assert {(each["act"], each["of"]) for each in listed[0]["re_review"]} >= {("approval", proposal)}
    assert listed[0]["review"] is not None
    # What was decided stands; who watches the log sees the entry, and after its time that the review is overdue.
    status = board.run("govern", "status")
    assert status["re_reviews"] == {made["id"]: len(listed[0]["re_review"])}
    assert board.run("govern", "check")["differences"] == []
    later = ("--now", stamp(4 * 86_400), "--max-age-s", 10**7)
    assert "overdue" in alerts(watch(board, *later, code=1))


# --- powers -------------------------------------------------------------------------------------------------------------


def emergency(board: Board, name: str, *, code: int = 0, **more: Any) -> Answer:
    """Draft an emergency, let two sign it, and open it."""
    wanted = {
        "openers": [board.parties["ada"], board.parties["bo"]], "condition": "danger_to_life", "areas": [name], "ops": ["serve"],
        "direction": "permit_only", "ttl_s": 3600,
    } | more  # fmt: skip
    file = board.folder / "emergency.json"
    board.run("emergency", "draft", board.write("wanted.yaml", wanted), "--out", file)
    signed = []
    for who in ("ada", "bo"):
        signed.append(board.folder / f"emergency-{who}.sig")
        answer = groundrule("emergency", "sign", file, "--key", board.key(who), "--out", signed[-1], "--yes")
        assert answer.code == 0, answer
    opened = board.try_("emergency", "open", *signed)
    assert opened.code == code, opened
    return opened


def test_the_emergency_power_is_used_again_and_again(board: Board) -> None:
    watch(board)
    first = emergency(board, "closed").json["id"]
    second = emergency(board, "closed", renewal_of=first).json["id"]
    refused(emergency(board, "closed", renewal_of=second, code=2), "at most 1 renewal")
    refused(emergency(board, "closed", code=2), "is not reviewed")
    third = emergency(board, "other").json["id"]
    assert codes(board) == ["renewal_limit", "renewal_disguised"]
    seen = watch(board)
    assert (seen["governance"]["emergencies_in_30_days"], seen["governance"]["refused_acts"]) == (3, 2)
    late = watch(board, "--now", stamp(73 * 3600), "--max-age-s", 10**7, code=1)
    overdue = {each["what"] for each in late["alerts"] if each["kind"] == "overdue"}
    assert overdue == {f"the review of {each} is overdue" for each in (first, second, third)}
    assert "frozen" in alerts(late)
    assert late["governance"]["emergencies_active"] == 0


def test_a_list_is_kept_out_of_date_on_purpose(board: Board) -> None:
    lists = ("lists", "import", board.folder / "invented.ftm.json", "--source", "invented-list")
    shutil.copytree(board.home / "lists", board.folder / "old-lists")
    board.write("invented.ftm.json", json.dumps(PERSON) + "\n" + json.dumps(PERSON | {"id": "inv-2"}) + "\n")
    board.run(*lists, "--published", "2026-11-02")
    request = asked(board, {"kind": "legal_entity", "names": ["Aland Rail (invented)"]})
    # Somebody puts the older list back, and has everybody screened against it.
    shutil.rmtree(board.home / "lists")
    shutil.copytree(board.folder / "old-lists", board.home / "lists")
    board.run("request", "screen", request)
    proposal = str(board.propose({"rulebook": board.write("soft.yaml", SOFT)}, requests=[request])["proposal"])
    board.approve(proposal, "ada", "bo")
    refused(board.try_("enact", proposal), "of 2026-11-02 is newer than the screening")
    assert codes(board) == ["list_newer"]


# --- the log's key, and backups ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return base_home(tmp_path_factory.mktemp("plain") / "home")


@pytest.fixture
def witnessed(plain: Home, tmp_path: Path) -> Any:
    """A governed home whose log asks for two of three witnesses, with a clock of its own for them."""
    home = copy_home(plain, tmp_path / "home")
    with desk(home) as office:
        office.genesis()
        office.clock.now = START + HOUR
        truth = Clock(office.clock.now)
        witnesses = Witnesses.join(office.governance.ledger, truth)
        office.again(witnesses=witnesses)
        office.governance.ledger.commit()
        yield office, witnesses, truth


def pinned(office: Desk, folder: Path, *more: object, code: int = 0) -> Any:
    now = format_time(office.clock.now - office.clock.now % 1_000_000)
    answer = groundrule("ledger", "monitor", "--log", log_folder(office.home), "--state", folder / "watch.json", "--now", now,
                        "--json", *more)  # fmt: skip
    assert answer.code == code, answer
    return answer.json


def test_a_rule_is_dated_back(witnessed: tuple[Desk, Witnesses, Clock], tmp_path: Path) -> None:
    office, witnesses, truth = witnessed
    proposal = office.propose(office.change("replace", "rulebook", OTHER_BOOK.encode()))
    office.approve(proposal)
    office.governance.ledger.commit()
    pinned(office, tmp_path)
    # The insider enacts now, and says that it was an hour ago.
    office.clock.now += HOUR
    truth.now = office.clock.now
    state, ledger = office.governance.state, office.governance.ledger
    made = enactment(state, proposal, office.governance.judge(proposal), office.clock.now - office.clock.now % 1_000_000)
    ledger.queue("enactment", made.value | {"enacted_at": format_time(START)})
    ledger.commit()
    seen = pinned(office, tmp_path, code=1)
    assert {"backdated", "no-effect"} <= set(alerts(seen))
    assert seen["governance"]["enactments"] == 0
    assert office.again(witnesses=witnesses).governance.enact(proposal).in_force


def test_the_key_of_the_log_alone_is_stolen(witnessed: tuple[Desk, Witnesses, Clock], tmp_path: Path) -> None:
    office, _, _ = witnessed
    pinned(office, tmp_path)
    stolen = copy_home(office.home, tmp_path / "stolen")
    # With the key, but without its witnesses, the thief writes a log of his own.
    with stolen.writer(), HomeLedger.open(stolen, clock=office.clock) as ledger:
        ledger.queue("rejection", {"what": "proposal", "digest": "0" * 64, "code": "forged", "sentence": "a forged entry"})
        ledger._client = Witnesses(office.clock, up=False)  # type: ignore[assignment]  # nobody cosigns for a thief
        ledger.commit(patience_s=0)
    forged = groundrule("ledger", "monitor", "--log", log_folder(stolen), "--state", tmp_path / "watch.json", "--json",
                        "--max-age-s", 10**9)  # fmt: skip
    assert forged.code == 1
    assert "quorum" in alerts(forged.json)
    assert not forged.json["advanced"]
    # The owner records the theft, and whoever still trusts the key is told.
    vkey = str(office.governance.ledger.policy.log_keys[0])
    office.governance.ledger.queue("key-event", {"event": "compromised", "from": format_time(START), "to": None, "vkey": vkey})
    office.governance.ledger.commit()
    assert alerts(pinned(office, tmp_path, code=1)) == ["key"]


def test_a_governed_home_is_rolled_back_to_an_older_backup(board: Board) -> None:
    home = Home.open(board.home)
    backup, keys = board.folder / "backup", keys_folder(home)
    shutil.copytree(board.home, backup / "home")
    shutil.copytree(keys, backup / "keys")
    proposal = str(board.propose({"rulebook": board.write("soft.yaml", SOFT)})["proposal"])
    board.approve(proposal, "ada", "bo")
    assert board.run("enact", proposal)["in_force"]
    watch(board)
    newer = board.folder / "newer"
    shutil.move(board.home, newer)
    shutil.copytree(backup / "home", board.home)
    # The old home is whole in itself; who kept a head knows better.
    assert board.run("replay")["identical"]
    assert alerts(watch(board, code=1)) == ["rollback"]
    # Rolled back in part: the tables of old under the log of now.
    shutil.rmtree(board.home)
    shutil.move(newer, board.home)
    assert watch(board)["ok"]
    for name in ("registers.sqlite", "registers.sqlite-wal", "registers.sqlite-shm"):
        (board.home / name).unlink(missing_ok=True)
        if (backup / "home" / name).exists():
            shutil.copy(backup / "home" / name, board.home / name)
    answer = board.try_("replay")
    assert answer.code == 1
    assert "the tables name other enactments than the log" in " ".join(answer.json["faults"])


# --- clocks -------------------------------------------------------------------------------------------------------------


def test_a_clock_that_was_set_back_writes_nothing(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal = str(board.propose({"rulebook": board.write("soft.yaml", SOFT)})["proposal"])
    board.approve(proposal, "ada", "bo")
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)
    answer = board.try_("enact", proposal)
    refused(answer, "behind the last entry of the log", "set the clock right")
    monkeypatch.undo()
    assert codes(board) == ["clock_stepped"]
    assert board.run("enact", proposal)["in_force"]


@pytest.mark.parametrize(("stepped", "said"), [(6 * SECOND + HOUR, "ahead of the quorum"), (-20 * SECOND, "behind the")])
def test_a_clock_that_witnesses_contradict_writes_nothing(
    witnessed: tuple[Desk, Witnesses, Clock], stepped: int, said: str
) -> None:
    office, witnesses, truth = witnessed
    proposal = office.propose(office.change("replace", "rulebook", OTHER_BOOK.encode()))
    office.approve(proposal)
    truth.now = office.clock.now = office.clock.now + 10 * MINUTE
    office.clock.now += stepped
    office.again(witnesses=witnesses)
    with pytest.raises(ConflictError, match=said) as stopped:
        office.governance.enact(proposal)
    assert stopped.value.context["refusal"] == "clock_stepped"
    with pytest.raises(ConflictError, match=said):
        office.governance.approve(office.approval(proposal, "p4"))
    found = office.governance.state.rejections
    assert {each.code for each in found} == {"clock_stepped"}
    # What was refused did not take the wrong time into the log: with the clock right, work goes on at once.
    office.clock.now = truth.now = truth.now + 2 * SECOND
    assert office.again(witnesses=witnesses).governance.enact(proposal).in_force


def test_an_enactment_that_a_crash_delayed_is_rejected_and_made_again(plain: Home, tmp_path: Path) -> None:
    home = copy_home(plain, tmp_path / "home")

    class CrashError(Exception):
        pass

    def crash(name: str) -> None:
        if name == "enactment: queued":
            raise CrashError

    with desk(home) as office:
        office.genesis()
        office.again(step=crash)
        proposal = office.propose(office.change("replace", "rulebook", OTHER_BOOK.encode()))
        office.approve(proposal)
        with pytest.raises(CrashError):
            office.governance.enact(proposal)
        office.clock.now += 11 * MINUTE
        office.again()
        state = office.governance.state
        assert [(each.what, each.code) for each in state.rejections] == [("enactment", "logged_too_late")]
        assert (state.violations, proposal in state.enacted) == ([], False)
        assert office.governance.enact(proposal).in_force
        assert office.governance.check() == []


# --- refusals are on record -----------------------------------------------------------------------------------------------


def test_every_reason_against_an_enactment_is_in_the_log(board: Board) -> None:
    request = str(asked(board, {"kind": "legal_entity", "names": ["Aland Rail (invented)"]}))
    value = {"id": "inv-9", "schema": "Person", "properties": {"name": ["Niemand Exempel (invented)"], "topics": ["sanction"]}}
    proposal = str(board.propose({"rulebook": board.write("soft.yaml", SOFT)}, requests=[request])["proposal"])
    board.approve(proposal, "ada")
    board.write("invented.ftm.json", json.dumps(value) + "\n")
    board.run("lists", "import", board.folder / "invented.ftm.json", "--source", "invented-list", "--published", "2026-11-02")
    refused(board.try_("enact", proposal), "newer than the screening")
    assert codes(board) == ["list_newer", "quorum"]


def test_a_preview_that_is_refused_is_in_the_log_and_a_slip_is_not(board: Board) -> None:
    entry = {"terminal_id": "car", "holder": "p7", "state": "active", "legal_class": "individual"}
    own = {"title": "Own (invented)", "source": "a test", "quota_individual": 1}
    batch = {"list": own, "add": [entry, entry | {"terminal_id": "guest"}]}
    board.write("proposal.json", {"author": board.parties["author"], "rationale": "x (invented)", "reversal_plan": "y (invented)"})
    words = ("propose", board.folder / "proposal.json", "--change", f"list/own={board.write('over.json', batch)}")
    refused(board.try_(*words), "would have 2 devices")
    refused(board.try_(*words, "--dry-run"), "would have 2 devices")
    refused(board.try_("propose", board.folder / "proposal.json", "--change", "rulebook"), "names no file")
    listed = board.run("govern", "refusals")["refused"]
    assert [(each["what"], each["code"]) for each in listed] == [("proposal", "quota_exceeded")]
    assert not {"p7", "guest"} & set(json.dumps(listed).replace('"', " ").split())


def test_a_first_charter_that_is_refused_is_in_the_log(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    board = make_board(home.path, tmp_path)
    board.run("charter", "draft", board.write("charter.yaml", board.draft()), "--out", tmp_path / "charter.json")
    answer = groundrule("charter", "sign", tmp_path / "charter.json", "--key", board.key("ada"), "--out", tmp_path / "a.sig", "--yes")
    assert answer.code == 0, answer
    refused(board.try_("charter", "init", tmp_path / "a.sig"), "root persons signed")
    kept = b"".join(path.read_bytes() for path in (log_folder(home) / "tile" / "entries").rglob("*") if path.is_file())
    assert b'"kind":"rejection"' in kept
    # It binds nobody: the charter that is signed by enough takes effect, and a monitor has nothing to say.
    board.begin()
    assert len(board.run("govern", "refusals")["refused"]) == 1
    assert watch(board)["ok"]


def test_puppets_that_the_old_quorum_did_not_sign_are_refused_by_hands_too(plain: Home, tmp_path: Path) -> None:
    home = copy_home(plain, tmp_path / "home")
    with desk(home) as office:
        office.genesis()
        value = office.charter(version=2, policy_digest=None, issued=format_time(START + DAY))
        value["persons"] = [*value["persons"], member("x1"), member("x2")]
        with pytest.raises(ConflictError):
            office.governance.rotate(envelope("charter", value, *ROOT_MEMBERS[:3], "x1", "x2"))
        assert party("x1") not in office.governance.state.charter.parties  # type: ignore[union-attr]  # it has one
