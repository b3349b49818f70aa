"""Receipts as they are made; that they verify, and altered ones do not, is asserted in tests/properties/test_privacy.py."""

from __future__ import annotations

import base64
import json

import pytest

from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.ledger.batch import InnerTree, close_batch, public_body
from groundrule.ledger.commitment import commit, commitments_of, record_leaf
from groundrule.ledger.entry import Entry
from groundrule.ledger.receipt import OWNER_FIELDS, make_receipt, owner_fields

KEY = bytes(range(32))
ID = bytes(range(16))
SECRET = bytes(32)
RECORD = {
    "terminal_id": "ut-0001 (invented)",
    "outcome": "deny",
    "position": {"lat_e7": 485000000, "lon_e7": 350000000, "sigma_m": 12},
    "rule": "ua-speed",
    "alerts": ["clone"],
    "location_check": None,
}


def entry_of(inner: InnerTree, kind: str = "decision-batch") -> bytes:
    body = public_body(
        inner, minute="2026-03-01T00:00:00.000Z", policy_digest="a" * 64, evaluator_digest="b" * 64
    )
    return Entry(kind, "decisions.main", 0, "2026-03-01T00:01:00.000Z", body).encode()


def leaf_of(record: dict[str, object]) -> bytes:
    return record_leaf(
        commitments_of(KEY, ID, {name: canonical_json(value) for name, value in record.items()})
    )


@pytest.fixture
def inner() -> InnerTree:
    return close_batch([leaf_of(RECORD), bytes(31) + b"x"], SECRET)


def made(inner: InnerTree, **changes: object) -> bytes:
    arguments = {
        "entry": entry_of(inner),
        "batch_index": 41,
        "record": RECORD,
        "subject_key": KEY,
        "record_id": ID,
        "inner": inner,
        "leaf_index": inner.positions[0],
        "open_fields": ["outcome", "terminal_id"],
    }
    return make_receipt(**{**arguments, **changes})  # type: ignore[arg-type]  # the arguments above


def test_a_receipt_holds_what_it_opens_and_nothing_else(inner: InnerTree) -> None:
    data = made(inner)
    content = parse_canonical(data)
    assert content.keys() == {
        "v", "entry", "fields", "commitments", "leaf_index", "inner_path", "batch_index"
    }  # fmt: skip
    assert [(each["name"], each["value"]) for each in content["fields"]] == [
        ("outcome", "deny"),
        ("terminal_id", "ut-0001 (invented)"),
    ]
    assert (content["v"], content["batch_index"], content["leaf_index"]) == (1, 41, inner.positions[0])
    assert base64.b64decode(content["entry"]) == entry_of(inner)
    assert len(content["commitments"]) == 24
    for hidden in (b"485000000", b"ua-speed", b"clone", base64.b64encode(KEY), base64.b64encode(ID)):
        assert hidden not in data


def test_every_opened_field_matches_a_commitment(inner: InnerTree) -> None:
    content = json.loads(made(inner, open_fields=RECORD))
    assert len(content["fields"]) == len(RECORD)
    for each in content["fields"]:
        made_again = commit(each["name"], base64.b64decode(each["salt"]), canonical_json(each["value"]))
        assert base64.b64encode(made_again).decode() in content["commitments"]


def test_owners_see_what_they_sent_and_what_was_answered() -> None:
    assert owner_fields(RECORD) == ["outcome", "position", "terminal_id"]
    assert OWNER_FIELDS.isdisjoint({"rule", "reasons", "speed_kmh", "altitude_m", "alerts", "location_check", "inputs_sha256"})
    assert owner_fields({"some_later_field": 1}) == []


@pytest.mark.parametrize("name", sorted(RECORD))
def test_a_record_changed_after_it_was_logged_gets_no_receipt(inner: InnerTree, name: str) -> None:
    with pytest.raises(IntegrityError, match="not what was committed to"):
        made(inner, record={**RECORD, name: "changed"})


def test_a_wrong_key_id_or_place_gets_no_receipt(inner: InnerTree) -> None:
    for changes in ({"subject_key": SECRET}, {"record_id": bytes(16)}, {"leaf_index": inner.positions[1]}):
        with pytest.raises(IntegrityError, match="not what was committed to"):
            made(inner, **changes)


def test_the_batch_of_another_entry_is_refused(inner: InnerTree) -> None:
    other = close_batch([leaf_of(RECORD)], KEY)
    with pytest.raises(ConflictError, match="another root"):
        made(inner, entry=entry_of(other))
    with pytest.raises(InputError, match="not that of a batch"):
        made(inner, entry=b"{}")


def test_what_cannot_be_opened_is_refused(inner: InnerTree) -> None:
    with pytest.raises(InputError, match="opens no field"):
        made(inner, open_fields=[])
    with pytest.raises(InputError, match="no field `speed`"):
        made(inner, open_fields=["speed"])
    with pytest.raises(InputError, match="leaf 256"):
        made(inner, leaf_index=256)
    with pytest.raises(InputError, match="float"):
        made(inner, record={**RECORD, "position": 1.5})
