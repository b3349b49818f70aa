"""A contact that surfaces later, by command alone: alleged, late, without a name in the log; what it opens and what it does not."""

from __future__ import annotations

import json
from pathlib import Path

from console import groundrule
from stories import play, public_bytes, step, verified


def test_a_late_contact_opens_a_review_set_and_changes_nothing_that_was_decided(tmp_path: Path) -> None:
    told = play("contacts", tmp_path)
    home, ada = Path(told["home"]), told["known"]["ada"]
    recorded = step(told, "contact add")["printed"]
    assert "alleged" in recorded
    assert "LATE" in recorded
    contact = groundrule("contact", "list", "--late", "--home", home, "--json").json["contacts"][0]
    # The approval that touched the counterparty is to be looked at again; the enactment stands.
    acts = [(each["act"], each["of"], each["touches"]) for each in contact["re_review"]]
    assert acts == [("approval", told["known"]["ferry"], True)]
    status = groundrule("govern", "status", "--home", home, "--json")
    assert status.code == 0, status
    standing = {each["id"]: each["standing"] for each in status.json["proposals"]}
    assert standing[told["known"]["ferry"]] == "enacted"
    # The allegation recuses from the next proposal of that party, and lowers no threshold.
    assert "0 of 2 persons" in standing[told["known"]["more"]]
    refusals = groundrule("govern", "refusals", "--home", home, "--json").json["refused"]
    assert [(each["what"], each["code"]) for each in refusals] == [("approval", "contact")]
    # A denial makes it disputed, the review has its own entry; suspended is nobody.
    assert status.json["contacts"] == {told["known"]["contact"]: "disputed"}
    assert list(status.json["reviews"].values()) == ["upheld"]
    # In the log stand commitments: neither names nor, in the entry of the contact, the id of the person.
    public = public_bytes(home)
    for name in (b"Strait Muster", b"Courier", b"dinners"):
        assert name not in public
    shown = groundrule("contact", "list", "--public", "--home", home, "--json").json["contacts"][0]
    assert all(party.startswith("commitment:") for party in shown["public"].values())
    assert ada not in json.dumps(shown)
    # Before and after the enactment the ferry was answered differently, and the receipt says what was decided.
    fields = verified(tmp_path / "contacts" / "ferry-2.tlog-proof", home)["fields"]
    assert (fields["terminal_id"], fields["outcome"]) == ("ferry-2", "serve")
    assert groundrule("govern", "check", "--home", home, "--json").json["differences"] == []
    assert groundrule("replay", "--home", home).code == 0
