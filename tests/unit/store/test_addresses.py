"""Addresses of terminals: one form for each, and whose they were when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from groundrule.store import migrations
from groundrule.store.addresses import canonical_address, ipv4_keys, terminals_at
from groundrule.store.databases import engine_of
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.register_versions import VERSIONS
from groundrule.store.registers import Registers
from groundrule.store.roles import role_statements
from groundrule.store.timeline import RegisterTimeline
from register_places import Place

DAY = 86_400_000_000_000


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("192.0.2.7", "192.0.2.7"), (" 192.0.2.7:59765 ", "192.0.2.7:59765"), ("192.0.2.7:0", "192.0.2.7:0"),
        ("192.0.2.7/10.0.0.5", "192.0.2.7/10.0.0.5"), ("192.0.2.7/192.0.2.7", "192.0.2.7"), ("+123456789", "+123456789"),
        ("2001:DB8:85a3:8d3:1319:8a2e:370:7344", "2001:db8:85a3:8d3::/64"), ("2001:db8:85a3:8d3::/64", "2001:db8:85a3:8d3::/64"),
        ("2001:db8::/56", None), ("192.0.2.7:65536", None), ("192.0.2.7:080", None), ("192.0.2.07", None), ("192.0.2.0/24", None),
        ("+0123456", None), ("123456789", None), ("fe80::1%eth0", None), ("terminal.example", None), ("", None), ("192.0.2.7:", None),
    ],
)  # fmt: skip
def test_an_address_has_one_form(text: str, key: str | None) -> None:
    assert canonical_address(text) == key
    if key is not None:
        assert canonical_address(key) == key


def test_the_narrowest_key_comes_first() -> None:
    assert ipv4_keys("192.0.2.7", None, 5) == ["192.0.2.7:5", "192.0.2.7"]
    assert ipv4_keys("192.0.2.7", "10.0.0.5", 5) == ["192.0.2.7:5", "192.0.2.7/10.0.0.5", "192.0.2.7"]
    assert ipv4_keys("192.0.2.7", "192.0.2.7", None) == ["192.0.2.7"]


def test_an_address_is_whose_it_was_then_and_what_is_none_is_set_aside(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    file = tmp_path / "addresses.csv"
    file.write_text(
        "address,terminal_id,valid_from,valid_until\n"
        "2001:DB8:0:1::9,car,2026-01-01,2026-01-02\n2001:db8:0:1::,van,2026-01-02,\n198.51.100.300,car,,\n+123456789,,,\n", "utf-8"
    )  # fmt: skip
    with Registers.create(home) as registers:
        report = import_register(
            registers, "addresses", file, recorded_at_ns=1, actor="test", rejected_folder=home.rejected,
        )  # fmt: skip
        assert (report.inserted + report.changed, dict(report.by_reason)) == (2, {"not_an_address": 1, "value_missing": 1})
        key = "2001:db8:0:1::/64"
        first = 20_454 * DAY
        assert terminals_at(registers, [key], first) == {key: "car"}
        assert terminals_at(registers, [key], first + DAY) == {key: "van"}
        assert terminals_at(registers, [key, "192.0.2.1"], first - 1) == {}
        # Addresses wander often, and no decision rests on them: they do not divide the time that decisions are made in.
        assert len(set(RegisterTimeline.load(registers, recorded_at_ns=2).epoch_of(np.array([0, first, first + 2 * DAY])))) == 1


@pytest.mark.parametrize("table", ["addresses", "account_links"])
def test_who_may_use_the_other_registers_may_use_this_one_after_an_upgrade(place: Place, tmp_path: Path, table: str) -> None:
    if not place.is_postgres:
        pytest.skip("SQLite has no roles")
    home = Home.create(tmp_path / "home", registers=place.address())
    engine = engine_of(home.registers_url)
    with engine.begin() as connection:
        migrations.run(connection, VERSIONS[1])
        for statement in role_statements(home.registers_url):
            if "addresses" not in statement and "account_links" not in statement:
                connection.exec_driver_sql(statement)
        for role, right in (("service", "INSERT, SELECT"), ("reader", "SELECT")):
            connection.exec_driver_sql(f"GRANT {right} ON parties TO groundrule_{role}")
    migrations.upgrade(home.registers_url)
    with engine.connect() as connection:
        def may(who: str, what: str) -> bool:
            return bool(connection.scalar(sa.text(f"SELECT has_table_privilege('groundrule_{who}', '{table}', '{what}')")))

        assert [may("service", each) for each in ("SELECT", "INSERT", "UPDATE", "DELETE")] == [True, True, False, False]
        assert [may("reader", each) for each in ("SELECT", "INSERT")] == [True, False]
        owner = f"SELECT relowner::regrole::text FROM pg_class WHERE oid = '{table}'::regclass"
        assert connection.scalar(sa.text(owner)) == "groundrule_owner"
        column = f"SELECT has_column_privilege('groundrule_service', '{table}', 'superseded_at', 'UPDATE')"
        assert connection.scalar(sa.text(column))


def test_how_a_holder_is_reached_is_kept_as_a_digest_and_never_as_it_is(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    Registers.create(home).close()
    digest = "ab" * 32
    file = tmp_path / "links.csv"
    file.write_text(f"account_id,payer_id,dealer_id,contact\nacc-a,p1,d1,{digest.upper()}\nacc-b,p1,,+380441234567\n", encoding="utf-8")
    with home.writer(), Registers.open(home) as registers:
        report = import_register(
            registers, "account_links", file, recorded_at_ns=1, actor="test", rejected_folder=home.rejected,
        )  # fmt: skip
        assert (report.inserted, report.rejected) == (1, 1)
        (row,) = registers.rows("account_links", valid_at_ns=5)
        assert (row["account_id"], row["payer_id"], row["dealer_id"], row["contact"]) == ("acc-a", "p1", "d1", digest)
