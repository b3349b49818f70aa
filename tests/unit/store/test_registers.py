"""Registers: two kinds of time, nothing lost, imports that lose nothing good beside what is bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import MAX_NS, MIN_NS, parse_instant
from groundrule.store import Home, ImportReport, Registers, RegisterView, import_register
from groundrule.store.entities import ENTITIES
from groundrule.store.registers import TABLES
from register_places import Place

JAN, FEB, MAR = (parse_instant(f"2026-0{month}-01") for month in (1, 2, 3))


class Office:
    """A home with registers, and short ways to import and to ask."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.home = Home.create(folder / "home", registers=place.address())
        self.registers = Registers.create(self.home)
        self.folder = folder

    def take(self, kind: str, text: str, at: int = JAN, **options: Any) -> ImportReport:
        path = self.folder / f"{kind}.csv"
        path.write_text(text)
        return self.take_file(kind, path, at, **options)

    def take_file(self, kind: str, path: Path, at: int = JAN, **options: Any) -> ImportReport:
        return import_register(
            self.registers,
            kind,
            path,
            recorded_at_ns=at,
            actor="Ada Example (invented)",
            rejected_folder=self.home.rejected,
            **options,
        )

    def plan(self, terminal: str, valid: int, recorded: int | None = None) -> str | None:
        found = list(self.registers.rows("terminals", valid_at_ns=valid, recorded_at_ns=recorded, keys=[terminal]))
        return found[0]["plan"] if found else None

    def lists(self, valid: int, recorded: int | None = None) -> dict[str, dict[str, str]]:
        view = RegisterView.load(self.registers, valid_at_ns=valid, recorded_at_ns=recorded)
        codes = view.profile_code
        return {one: dict(view.profiles[codes[row]].lists) for row, one in enumerate(view.terminal_ids.to_pylist())}


@pytest.fixture
def office(tmp_path: Path, place: Place) -> Office:
    return Office(tmp_path, place)


# --- two kinds of time ------------------------------------------------------------------------------------------------


def test_a_first_statement_without_dates_holds_from_ever_and_a_change_from_when_it_is_recorded(office: Office) -> None:
    office.take("terminals", "terminal_id,plan\nt,residential\n", JAN)
    office.take("terminals", "terminal_id,plan\nt,roam\n", FEB)
    assert office.plan("t", MIN_NS) == "residential"
    assert office.plan("t", FEB - 1) == "residential"
    assert office.plan("t", FEB) == "roam"
    # As known before February, the plan was residential without end.
    assert office.plan("t", MAR, recorded=FEB - 1) == "residential"
    assert office.plan("t", MAR, recorded=JAN - 1) is None


def test_what_is_learnt_late_about_the_past_leaves_what_was_known_before_as_it_was(office: Office) -> None:
    office.take("terminals", "terminal_id,plan,valid_from\nt,residential,2026-01-01\n", JAN)
    office.take("terminals", "terminal_id,plan,valid_from,valid_until\nt,ocean,2026-01-10,2026-01-20\n", MAR)
    inside = parse_instant("2026-01-15")
    assert office.plan("t", inside) == "ocean"
    assert office.plan("t", inside, recorded=FEB) == "residential"
    assert office.plan("t", parse_instant("2026-01-20")) == "residential"
    assert office.plan("t", parse_instant("2025-12-31")) is None


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 9), st.integers(1, 6), st.sampled_from("xyz")), max_size=8
    )
)
def test_the_tables_answer_like_a_painted_timeline(
    tmp_path_factory: pytest.TempPathFactory, place: Place, steps: list[tuple[str, int, int, str]]
) -> None:
    office = Office(tmp_path_factory.mktemp("office"), place)
    painted: list[dict[tuple[str, int], str]] = [{}]
    for step, (key, since, length, plan) in enumerate(steps, 1):
        office.take(
            "terminals", f"terminal_id,plan,valid_from,valid_until\n{key},{plan},{since},{since + length}\n", step
        )
        painted.append(painted[-1] | {(key, at): plan for at in range(since, since + length)})
    for recorded, known in enumerate(painted):
        for at in range(17):
            found = office.registers.rows("terminals", valid_at_ns=at, recorded_at_ns=recorded)
            expected = {key: known[key, at] for key in ("a", "b") if (key, at) in known}
            assert {row["terminal_id"]: row["plan"] for row in found} == expected, (recorded, at)
    office.registers.close()


def test_recorded_time_never_goes_back(office: Office) -> None:
    office.take("terminals", "terminal_id\nt\n", FEB)
    with pytest.raises(ConflictError, match="recorded at 2026-02-01"):
        office.take("terminals", "terminal_id\nu\n", JAN)
    assert office.plan("u", MAR) is None
    assert office.registers.revision().revision == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM terminals",
        "UPDATE terminals SET plan = 'roam'",
        "DELETE FROM revisions",
        "UPDATE terminals SET superseded_at = 5",
        "UPDATE revisions SET actor = 'x'",
    ],
)
def test_the_database_itself_refuses_to_forget(office: Office, statement: str) -> None:
    office.take("terminals", "terminal_id,plan\nt,residential\n", JAN)
    office.take("terminals", "terminal_id,plan\nt,ocean\n", FEB)
    with pytest.raises(StoreError, match="append-only"), office.registers.reading() as connection:
        connection.execute(sa.text(statement))


# --- imports ----------------------------------------------------------------------------------------------------------

PEOPLE = "party_id,name,legal_class,screening\n"


def test_every_bad_row_is_kept_and_every_good_one_goes_in(office: Office) -> None:
    text = (
        "terminal_id,plan,service_lat_deg,service_lon_deg,activation_country,activated_at,registration\n"
        "t1,roam,50.5,30,ua,2025-01-01T00:00Z,registered\n"
        "t2,roam,91,30,UA,,\n"
        "t1,ocean,1,2,UA,,\n"
        ",roam,1,2,UA,,\n"
        "t3,roam,x,2,UA,,\n"
        "t4,roam,1,2,UKR,,\n"
        "t5,roam,1,2,UA,2025-01-01 10:00,\n"
        "t6,roam,1,2,UA,,maybe\n"
        "t7,roam,1\n"
        "t8,roam,,,NO,,none\n"
    )
    report = office.take("terminals", text)
    assert (report.inserted, report.rejected, report.governed) == (2, 8, False)
    assert report.rejected_file is not None
    kept = [json.loads(line) for line in report.rejected_file.read_text().splitlines()]
    assert sorted((row["source_row"], row.get("field"), row["reason"]) for row in kept if row.get("field")) == [
        (3, "service_lat_deg", "out_of_range"),
        (4, "terminal_id", "repeated_in_file"),
        (5, "terminal_id", "key_missing"),
        (6, "service_lat_deg", "not_a_number"),
        (7, "activation_country", "not_a_country"),
        (8, "activated_at", "time_without_zone"),
        (9, "registration", "value_unknown"),
    ]
    assert [(row["source_row"], row["reason"]) for row in kept if not row.get("field")] == [
        (10, "wrong_number_of_fields")
    ]
    stored = {row["terminal_id"]: row for row in office.registers.rows("terminals", valid_at_ns=JAN)}
    assert sorted(stored) == ["t1", "t8"]
    assert (stored["t1"]["activation_country"], stored["t1"]["governed"]) == ("UA", False)
    assert stored["t8"]["activation_country"] == "NO"


def test_importing_a_file_twice_changes_nothing(office: Office) -> None:
    first = office.take("accounts", "account_id,country,state\na,UA,active\nb,PL,suspended\n", JAN)
    second = office.take("accounts", "account_id,country,state\na,UA,active\nb,PL,suspended\n", FEB)
    assert (first.inserted, second.unchanged, second.inserted, second.changed) == (2, 2, 0, 0)
    assert (first.revision, second.revision) == (1, 1)


def test_revisions_say_who_imported_what_and_form_a_chain(office: Office) -> None:
    office.take("accounts", "account_id\na\n", JAN)
    office.take("terminals", "terminal_id\nt\n", FEB)
    one, two = office.registers.revisions()
    assert (one.actor, one.source, one.kind, one.governed, one.recorded_at_ns) == (
        "Ada Example (invented)",
        "accounts.csv",
        "accounts",
        False,
        JAN,
    )
    assert one.source_digest.startswith("sha256:")
    assert two.previous == one.digest != two.digest
    assert office.registers.revision(FEB - 1) == one


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("terminal_id,acount_id", "did you mean `account_id`"),
        ("terminal,plan", "did you mean `terminal_id`"),
        ("serial,plan", "no column `terminal_id`; it has `serial`, `plan`"),
        ("terminal_id,Terminal ID", "are both `terminal_id`"),
    ],
)
def test_a_wrong_header_is_refused_with_what_was_meant(office: Office, header: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        office.take("terminals", header + "\nx,y\n")
    assert said in str(caught.value)
    assert office.registers.revision().revision == 0


def test_unknown_registers_files_and_foreign_columns(office: Office, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no register `terminal`; did you mean `terminals`"):
        office.take("terminal", "x\n")
    with pytest.raises(InputError, match="does not exist"):
        office.take_file("terminals", tmp_path / "nowhere.csv")
    report = office.take("terminals", "serial,mood\nt,good\n", columns={"serial": "terminal_id"})
    assert report.notes == ("terminals.csv: columns not used: `mood`",)
    assert office.plan("t", JAN) is None
    assert [row["terminal_id"] for row in office.registers.rows("terminals", valid_at_ns=JAN)] == ["t"]


def test_parquet_and_json_lines_say_the_same_as_csv(office: Office, tmp_path: Path) -> None:
    rows = [
        {
            "terminal_id": "t1",
            "programmes": ["rail", "donor"],
            "service_lat_deg": 1.5,
            "activated_at": "2025-01-01T00:00:00Z",
        },
        {"terminal_id": "t2", "programmes": None, "service_lat_deg": None, "activated_at": None},
    ]
    (tmp_path / "t.jsonl").write_text("\n".join([json.dumps(rows[0]), "{broken", json.dumps(rows[1])]))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    lines = office.take_file("terminals", tmp_path / "t.jsonl", JAN)
    columns = office.take_file("terminals", tmp_path / "t.parquet", FEB)
    text = office.take(
        "terminals",
        "terminal_id,programmes,service_lat_deg,activated_at\nt1,rail;donor,1.5,2025-01-01T00:00Z\nt2,,,\n",
        MAR,
    )
    assert (lines.inserted, lines.rejected) == (2, 1)
    assert (columns.unchanged, text.unchanged) == (2, 2)
    assert next(office.registers.rows("terminals", valid_at_ns=JAN, keys=["t1"]))["programmes"] == "donor;rail"


def test_a_long_line_and_bytes_that_are_no_text_cost_themselves_only(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfterminal_id,plan\nt1,roam\n" + b"x" * 5000 + b"\nt\xff,roam\nt2,roam\n")
    report = office.take_file("terminals", path, max_line_bytes=1000)
    assert report.inserted == 2
    assert report.by_reason == {"line_too_long": 1, "not_text": 1}


def test_a_file_may_tell_a_history(office: Office) -> None:
    office.take("terminals", "terminal_id,plan,valid_from\nt,residential,2026-01-01\nt,roam,2026-02-01\n", MAR)
    assert office.plan("t", JAN) == "residential"
    assert office.plan("t", FEB) == "roam"


def test_an_import_that_fails_leaves_nothing(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    n = 4_000
    pq.write_table(pa.table({"terminal_id": [f"t{i}" for i in range(n)]}), path, row_group_size=500, compression="zstd")
    with pq.ParquetFile(path) as file:
        middle = file.metadata.row_group(4).column(0).dictionary_page_offset
    whole = bytearray(path.read_bytes())
    whole[middle : middle + 300] = bytes(300)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="not a whole Parquet file"):
        office.take_file("terminals", path)
    assert list(office.registers.rows("terminals", valid_at_ns=JAN)) == []
    assert list(office.home.rejected.iterdir()) == []


# --- lists ------------------------------------------------------------------------------------------------------------

TERMINALS = "terminal_id,kit_number,utid,dish_id,account_id\n" + "".join(
    f"t{i},K{i},U{i},D{i},{'shared' if i < 4 else 'own'}\n" for i in range(16)
)
ENTRIES = "list_id,holder,legal_class,state,terminal_id,kit_number,utid,dish_id,account_id,submitted_at,expires_at\n"


def entry(
    holder: str, legal_class: str, state: str = "active", *, submitted: str = "", expires: str = "", **given: str
) -> str:
    named = ",".join(given.get(name, "") for name in ("terminal_id", "kit_number", "utid", "dish_id", "account_id"))
    return f"ua-allow,{holder},{legal_class},{state},{named},{submitted},{expires}\n"


@pytest.mark.parametrize(
    "identifier",
    [
        {"terminal_id": "t5"},
        {"kit_number": "K5"},
        {"utid": "U5"},
        {"dish_id": "D5"},
        {"kit_number": "K5", "utid": "U5", "account_id": "own"},
        {"kit_number": "K5", "utid": "unheard-of"},
    ],
)
def test_an_entry_is_matched_by_any_of_its_identifiers(office: Office, identifier: dict[str, str]) -> None:
    office.take("terminals", TERMINALS)
    office.take("list_entries", ENTRIES + entry("p", "individual", **identifier))
    assert {one: state for one, state in office.lists(JAN).items() if state} == {"t5": {"ua-allow": "active"}}


@pytest.mark.parametrize(
    "identifier", [{"kit_number": "K5", "utid": "U6"}, {"kit_number": "K5", "account_id": "shared"}]
)
def test_identifiers_that_contradict_each_other_match_nothing_and_are_told(
    office: Office, identifier: dict[str, str]
) -> None:
    office.take("terminals", TERMINALS)
    office.take("list_entries", ENTRIES + entry("p", "individual", **identifier))
    view = RegisterView.load(office.registers, valid_at_ns=JAN)
    assert not any(profile.lists for profile in view.profiles)
    assert "1 list entries whose identifiers mean different terminals" in view.notes[0]


@pytest.mark.parametrize(
    ("legal_class", "most"), [("individual", 1), ("sole_trader", 3), ("legal_entity", 10), ("critical", 14)]
)
def test_devices_beyond_the_quota_of_the_legal_class_are_over_quota_in_order_of_submission(
    office: Office, legal_class: str, most: int
) -> None:
    office.take("terminals", TERMINALS)
    lines = [entry("p", legal_class, submitted=f"2026-01-{31 - i:02d}T00:00Z", kit_number=f"K{i}") for i in range(14)]
    office.take("list_entries", ENTRIES + "".join(lines))
    lists = office.lists(FEB)
    # t13 was submitted first.
    states = [lists[f"t{i}"]["ua-allow"] for i in reversed(range(14))]
    assert states == ["active"] * most + ["over_quota"] * (14 - most)


def test_a_list_may_state_its_own_quotas(office: Office) -> None:
    office.take("terminals", TERMINALS)
    office.take("lists", "list_id,title,quota_individual,quota_sole_trader\nua-allow,Example,2,unlimited\n")
    lines = [entry("p", "individual", kit_number=f"K{i}", submitted=f"2026-01-0{i + 1}T00:00Z") for i in range(3)]
    lines += [entry("q", "sole_trader", kit_number=f"K{i}") for i in range(4, 9)]
    office.take("list_entries", ENTRIES + "".join(lines))
    lists = office.lists(FEB)
    assert [lists[f"t{i}"]["ua-allow"] for i in range(3)] == ["active", "active", "over_quota"]
    assert {lists[f"t{i}"]["ua-allow"] for i in range(4, 9)} == {"active"}


def test_an_account_entry_means_every_terminal_of_the_account_and_each_counts(office: Office) -> None:
    office.take("terminals", TERMINALS)
    office.take("list_entries", ENTRIES + entry("p", "sole_trader", account_id="shared"))
    lists = office.lists(JAN)
    assert [lists[f"t{i}"].get("ua-allow") for i in range(5)] == ["active", "active", "active", "over_quota", None]


def test_revoked_and_expired_entries_use_no_quota(office: Office) -> None:
    office.take("terminals", TERMINALS)
    office.take(
        "list_entries",
        ENTRIES
        + entry("p", "individual", "revoked", kit_number="K1", submitted="2026-01-01T00:00Z")
        + entry("p", "individual", kit_number="K2", submitted="2026-01-02T00:00Z", expires="2026-02-01T00:00Z")
        + entry("p", "individual", "pending", kit_number="K3", submitted="2026-01-03T00:00Z"),
    )
    before, after = office.lists(FEB - 1), office.lists(FEB)
    assert [before[f"t{i}"]["ua-allow"] for i in (1, 2, 3)] == ["revoked", "active", "over_quota"]
    assert [after[f"t{i}"]["ua-allow"] for i in (1, 2, 3)] == ["revoked", "expired", "pending"]


def test_the_best_entry_counts_where_there_are_several(office: Office) -> None:
    office.take("terminals", TERMINALS)
    office.take(
        "list_entries",
        ENTRIES + entry("p", "critical", "revoked", kit_number="K1") + entry("q", "critical", "pending", utid="U1"),
    )
    assert office.lists(JAN)["t1"] == {"ua-allow": "pending"}


def test_the_legal_class_comes_from_the_holder_where_the_entry_is_silent(office: Office) -> None:
    office.take("terminals", TERMINALS)
    office.take("parties", PEOPLE + "p,Firm Example (invented),legal_entity,clear\n")
    report = office.take(
        "list_entries", ENTRIES + entry("p", "", kit_number="K1") + entry("stranger", "", kit_number="K2")
    )
    assert (report.inserted, report.by_reason) == (1, {"legal_class_unknown": 1})


def test_an_entry_goes_through_its_states_in_order_only(office: Office) -> None:
    office.take("terminals", TERMINALS, 0)
    month = {"submitted": 1, "pending": 2, "active": 3, "revoked": 4}
    for state, at in month.items():
        assert office.take("list_entries", ENTRIES + entry("p", "individual", state, kit_number="K1"), at).rejected == 0
    refused = office.take("list_entries", ENTRIES + entry("p", "individual", "active", kit_number="K1"), 5)
    assert refused.by_reason == {"step_not_allowed": 1}
    assert office.take("list_entries", ENTRIES + entry("p", "individual", "submitted", kit_number="K1"), 6).changed == 1
    # Every state is still there, at its time.
    assert [office.lists(at)["t1"]["ua-allow"] for at in (1, 2, 3, 4, 5, 6)] == [
        "submitted",
        "pending",
        "active",
        "revoked",
        "revoked",
        "submitted",
    ]


def test_an_entry_that_names_nothing_is_rejected(office: Office) -> None:
    report = office.take("list_entries", ENTRIES + entry("p", "individual"))
    assert report.by_reason == {"value_missing": 1}


# --- the view ---------------------------------------------------------------------------------------------------------


def test_a_profile_folds_terminal_account_party_and_lists(office: Office) -> None:
    office.take("parties", PEOPLE + "p,Ada Example (invented),individual,listed\n")
    office.take("accounts", "account_id,party_id,country,state,quota\na,p,NO,suspended,exceeded\n")
    office.take(
        "terminals",
        "terminal_id,account_id,plan,programmes,protected_class,service_lat_deg,service_lon_deg\n"
        "t1,a,roam,rail;donor,hospital,50.5,30\nt2,unheard-of,,,,,\n",
    )
    view = RegisterView.load(office.registers, valid_at_ns=JAN)
    first, second = (view.profiles[code] for code in view.profile_code)
    assert (first.plan, first.account_state, first.account_country, first.quota, first.screening) == (
        "roam",
        "suspended",
        "NO",
        "exceeded",
        "listed",
    )
    assert (first.programmes, first.protected_class) == (("donor", "rail"), "hospital")
    assert (second.plan, second.account_state, second.screening, second.protected_class) == (None, None, None, "none")
    assert view.service_lat_deg[0] == 50.5
    assert view.service_lat_deg[1] != view.service_lat_deg[1]
    assert (view.revision, view.n_registered) == (3, 2)


def test_unregistered_terminals_get_rows_of_their_own(office: Office) -> None:
    office.take("terminals", "terminal_id\nt1\n")
    view = RegisterView.load(office.registers, valid_at_ns=JAN)
    assert view.lookup(pa.array(["t1", "stranger"])).tolist() == [0, -1]
    rows = view.add(pa.array(["stranger", "t1"]))
    assert rows.tolist() == [1, 0]
    assert (len(view), view.n_registered) == (2, 1)
    assert view.profile_code.tolist() == [0, -1]
    assert view.profile_codes_of(rows).tolist() == [-1, 0]
    assert view.ids_of(rows).to_pylist() == ["stranger", "t1"]
    assert len(view.service_lon_deg) == 2


def test_an_empty_register_is_a_view_too(office: Office) -> None:
    view = RegisterView.load(office.registers, valid_at_ns=JAN)
    assert (len(view), view.revision) == (0, 0)
    assert view.add(pa.array(["a"])).tolist() == [0]
    assert view.profile_codes_of(view.lookup(pa.array(["a"]))).tolist() == [-1]


def test_the_lists_version_changes_with_what_decisions_can_see_and_with_nothing_else(office: Office) -> None:
    def version(at: int) -> str:
        return RegisterView.load(office.registers, valid_at_ns=at).lists_version

    office.take("terminals", TERMINALS)
    empty = version(JAN)
    office.take("list_entries", ENTRIES + entry("p", "individual", kit_number="K1", expires="2026-02-01T00:00Z"))
    full = version(JAN)
    office.take("accounts", "account_id\na\n")
    assert empty != full == version(FEB - 1)
    assert version(FEB) != full  # expired


def test_columns_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(InputError, match="columns of 2, 1"):
        RegisterView.from_columns(pa.array(["a", "b"]), [0], [None])  # type: ignore[arg-type,list-item]  # wrong on purpose
    with pytest.raises(InputError, match="names no profile"):
        RegisterView.from_columns(pa.array(["a"]), [1], [None])  # type: ignore[arg-type,list-item]  # wrong on purpose


def test_every_entity_has_its_table_with_both_times() -> None:
    assert TABLES.keys() == ENTITIES.keys()
    for table in TABLES.values():
        assert {"valid_from", "valid_until", "recorded_at", "superseded_at", "governed", "revision"} <= set(
            table.columns.keys()
        )


def test_sqlite_is_durable(tmp_path: Path) -> None:
    with Registers.create(Home.create(tmp_path / "home")) as registers, registers.reading() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2
    assert MAX_NS == 2**63 - 1
