"""The extract of the registers: the same bytes again, and decisions as with the registers themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from groundrule.errors import IntegrityError
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Judge
from groundrule.store.home import Home
from groundrule.store.register_extract import Extract, read_extract, write_extract
from groundrule.store.registers import Registers
from groundrule.store.timeline import RegisterTimeline
from small_home import LIST, RECORDED, make_home, register, stream


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = make_home(tmp_path_factory.mktemp("extract") / "home")
    register(made, "list_entries", LIST)
    return made


def extract(home: Home, at_ns: int = RECORDED) -> bytes:
    with Registers.open(home) as registers:
        return write_extract(registers, at_ns, {"list b": 7, "list a": 5})


def test_the_same_registers_give_the_same_bytes(home: Home) -> None:
    data = extract(home)
    assert data == extract(home)
    assert data != extract(home, RECORDED - 4000 * 10**9), "as known earlier"
    read = read_extract(data)
    assert read.screening_ns == {"list a": 5, "list b": 7}
    assert read.view.n_registered == 5


def test_decisions_are_those_of_the_registers(home: Home) -> None:
    basis = basis_of(home, recorded_at_ns=RECORDED)
    carried = replace(basis, registers=RegisterTimeline.fixed(read_extract(extract(home)).view))
    observations = stream(3, 240).sort_by("observed_at")
    tables = []
    for each in (basis, carried):
        judge = Judge(each)
        tables.append(DecisionWriter(judge).table(judge.judge(observations)))
    assert tables[0].equals(tables[1])


def test_it_names_no_account_and_no_party(home: Home) -> None:
    data = extract(home)
    for word in (b"acc-a", b"acc-s", b"p1"):
        assert word not in data


@pytest.mark.parametrize("cut", [0, 3, 200, -1])
def test_what_is_damaged_is_refused(home: Home, cut: int) -> None:
    with pytest.raises(IntegrityError):
        read_extract(extract(home)[:cut])


def test_an_empty_one_knows_nobody() -> None:
    assert (Extract.empty().view.n_registered, dict(Extract.empty().screening_ns)) == (0, {})
