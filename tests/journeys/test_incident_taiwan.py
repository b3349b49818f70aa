"""A request not to serve, by command alone: conveyed by another, for a listed beneficiary; screened; refused; visible."""

from __future__ import annotations

from pathlib import Path

from console import groundrule
from stories import play, public_bytes, step, verified


def test_the_request_is_screened_refused_and_visible_and_the_clinic_is_served(tmp_path: Path) -> None:
    told = play("taiwan", tmp_path)
    home = Path(told["home"])
    assert "invented" in told["notice"].lower()
    # Everybody behind the request was screened, and one is a candidate.
    screened = step(told, "request screen")
    assert screened["code"] == 1
    assert screened["printed"].count("no candidate") == 2
    assert "LISTED" in step(told, "request dispose")["printed"]
    # The change that was drafted for it is critical by code, and shows whom it would hit.
    proposed = step(told, "propose")["printed"]
    assert "class critical" in proposed
    assert "serve → deny: 2 terminals (1 hospital, 1 ordinary)" in proposed
    # Three signatures do not enact it.
    attempt = step(told, "enact")
    assert attempt["code"] == 2
    assert "hours of notice have not passed" in attempt["printed"]
    assert "is on a list" in attempt["printed"]
    # Request and attempt stay visible, and no name is in the log.
    listed = groundrule("request", "list", "--public", "--home", home, "--json").json["requests"]
    assert [(each["asks"], each["outcome"]) for each in listed] == [("refrain country:TW", "refused")]
    assert "no legal basis" in listed[0]["reason"]
    assert listed[0]["lateness"].startswith("recorded 216")
    public = public_bytes(home)
    for name in (b"Grandios", b"Envoy Muster", b"Tidewater"):
        assert name not in public
    assert b'"code":"notice"' in public
    assert b'"outcome":"refused"' in public
    # What was proved holds for somebody who has none of our software.
    fields = verified(tmp_path / "taiwan" / "clinic-1.tlog-proof", home)["fields"]
    assert (fields["terminal_id"], fields["outcome"]) == ("clinic-1", "serve")
    assert groundrule("govern", "check", "--home", home, "--json").json["differences"] == []
    assert groundrule("ledger", "fsck", "--home", home).code == 0
    # The refusal of the request is an entry that can be proved by itself.
    index = step(told, "request close")["printed"].rsplit(" ", 1)[1].strip()
    entry = groundrule("ledger", "prove", "--entry", index, "--home", home, "--out", tmp_path / "refusal.tlog-proof", "--json").json
    checked = groundrule("ledger", "verify", entry["proof"], "--entry", entry["entry"], "--policy", home / "ledger" / "policy")
    assert checked.code == 0, checked
