"""Last answers after a restart: read from the decisions of the last runs, newest first, until every terminal has one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.instant import MIN_NS, NS_PER_S
from groundrule.pipeline.classes import Classifier
from groundrule.pipeline.decisions import STATE_WORDS
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.live.bench import Bench
from groundrule.pipeline.live.committing import Corrected
from groundrule.pipeline.manifests import runs
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA, OUTCOME_WORDS, Outcome, ServiceState
from groundrule.rules.classes import DecisionClass
from groundrule.rules.evidence import AreaFact, Membership
from groundrule.store.history import read_exactly
from groundrule.store.home import Home
from groundrule.verify.statistics import distance_m

_MEMBERSHIP = {"inside": Membership.INSIDE, "edge": Membership.EDGE}


def restore_answers(home: Home, bench: Bench) -> int:
    """Fill the last answers of a bench whose judge has the memory as of the last run; return how many there are."""
    state, registers = bench.judge.state, bench.judge.basis.registers
    seen = state.last_observed_ns().copy()
    wanted = seen > MIN_NS
    missing = int(wanted.sum())
    parts: list[pa.Table] = []
    rows_of: list[NDArray[np.int32]] = []
    for run in reversed(runs(home)):
        for corrections in (True, False):
            if not missing:
                break
            fresh: list[NDArray[np.int32]] = []
            for table in read_exactly(home, "decisions", run, DECISION_SCHEMA, corrections=corrections):
                rows = registers.add(table.column("terminal_id"))
                inside = rows < len(seen)
                match = np.zeros(len(rows), bool)
                match[inside] = wanted[rows[inside]] & (
                    table.column("observed_at").to_numpy()[inside] == seen[rows[inside]]
                )
                if match.any():
                    parts.append(table.filter(pa.array(match)))
                    rows_of.append(rows[match])
                    fresh.append(rows[match])
            for each in fresh:
                wanted[each] = False
            missing = int(wanted.sum())
    if not parts:
        return 0
    whole, rows = pa.concat_tables(parts).unify_dictionaries().combine_chunks(), np.concatenate(rows_of)
    # Of several decisions of one instant in one run the last holds.
    last = np.full(len(seen), -1, np.int64)
    last[rows] = np.arange(len(rows))
    places = last[last >= 0]
    whole, rows = whole.take(pa.array(places)).combine_chunks(), rows[places]
    kinds = _kinds(bench.judge.basis, registers.ids_of(rows), state.fixes[rows])
    gap_s = bench.judge.basis.rulebook.assumptions.max_gap_s
    policies = _encoded(whole, "rulebook", "areas_version", "register_revision")
    codes = policies.indices.to_numpy()
    for code in range(len(policies.dictionary)):
        mine = np.flatnonzero(codes == code)
        found = _corrected(whole.take(pa.array(mine)), state.fixes[rows[mine]], kinds[mine], gap_s)
        bench.take(found, rows[mine])
    return len(rows)


def _corrected(table: pa.Table, fixes: NDArray[np.void], kinds: NDArray[np.uint8], max_gap_s: float) -> Corrected:
    """Write stored decisions of one policy as last answers."""
    table = table.combine_chunks()
    known = fixes["t_pos"] > MIN_NS
    classes = _encoded(table, "outcome", "state", "rule", "reasons", "obligations")
    places = _encoded(table, "areas")
    evidence = table.column("evidence").combine_chunks().dictionary_encode()
    lists = table.column("lists_version").combine_chunks().cast(pa.string()).dictionary_encode()
    outcome = pc.index_in(table.column("outcome").cast(pa.string()), value_set=pa.array(OUTCOME_WORDS)).to_numpy()
    state = pc.index_in(table.column("state").cast(pa.string()), value_set=pa.array(STATE_WORDS)).to_numpy()
    columns: dict[str, NDArray[Any]] = {
        "observed_at": table.column("observed_at").to_numpy(),
        "decided_at": table.column("decided_at").to_numpy(),
        "valid_until": table.column("valid_until").to_numpy(),
        "lat": np.where(known, fixes["lat_pos"], np.nan),
        "lon": np.where(known, fixes["lon_pos"], np.nan),
        "speed": _speeds(fixes, max_gap_s),
        "answer": (outcome << 3 | state).astype(np.uint8),
        "kind": kinds,
        "klass": classes.indices.to_numpy(),
        "where": places.indices.to_numpy(),
        "evidence": evidence.indices.to_numpy(),
        "epoch": lists.indices.to_numpy(),
    }
    return Corrected(
        table.column("terminal_id").combine_chunks(),
        None,
        columns,
        [_class(each) for each in _first_of_each(table, classes)],
        [_facts(each) for each in _first_of_each(table, places)],
        evidence.dictionary.to_pylist(),
        lists.dictionary.to_pylist(),
        table.column("rulebook")[0].as_py(),
        table.column("areas_version")[0].as_py(),
        table.column("register_revision")[0].as_py(),
    )


def _speeds(fixes: NDArray[np.void], max_gap_s: float) -> NDArray[np.float32]:
    """Speeds that the last two positions show [m/s]; NaN where they are too far apart in time, or older than the last observation.

    What receivers said of their speed is not kept: of a terminal that reports one it is known again with its next observation.
    """
    gap_ns = round(max_gap_s * NS_PER_S)
    known = (fixes["t_old"] > MIN_NS) & (fixes["t_new"] > fixes["t_old"]) & (fixes["t_seen"] - fixes["t_new"] <= gap_ns)
    known[known] &= (fixes["t_new"][known] - fixes["t_old"][known]) <= gap_ns
    found = np.full(len(fixes), np.nan, np.float32)
    moved = fixes[known]
    metres = distance_m(moved["lat_old"], moved["lon_old"], moved["lat_new"], moved["lon_new"])
    found[known] = metres * NS_PER_S / (moved["t_new"] - moved["t_old"])
    return found


def _first_of_each(table: pa.Table, encoded: pa.DictionaryArray) -> list[dict[str, Any]]:
    first = np.full(len(encoded.dictionary), -1, np.int64)
    codes = encoded.indices.to_numpy()
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    found: list[dict[str, Any]] = table.take(pa.array(first)).to_pylist()
    return found


def _class(row: dict[str, Any]) -> DecisionClass:
    return DecisionClass(
        Outcome[row["outcome"].upper()],
        ServiceState(row["state"]),
        row["rule"],
        tuple((each["code"], each["rule"], each["class"]) for each in row["reasons"]),
        tuple(row["obligations"]),
    )


def _facts(row: dict[str, Any]) -> tuple[AreaFact, ...]:
    return tuple(AreaFact(each["id"], "", None, (), _MEMBERSHIP[each["membership"]]) for each in row["areas"])


def _encoded(table: pa.Table, *names: str) -> pa.DictionaryArray:
    """Number rows that say the same in some columns."""
    texts = [text for name in names for text in _texts(table.column(name).combine_chunks())]
    joined = pc.binary_join_element_wise(*texts, pa.scalar("\x1e"))
    return joined.dictionary_encode()


def _texts(column: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        values = column.flatten()
        offsets = pa.array(column.offsets.to_numpy() - column.offsets[0].as_py(), pa.int32())
        fields = [field for field in kind.value_type if pa.types.is_string(field.type)]
        return [
            pc.binary_join(pa.ListArray.from_arrays(offsets, pc.struct_field(values, field.name)), "\x1f") for field in fields
        ]
    if pa.types.is_list(kind):
        return [pc.binary_join(column, "\x1f")]
    return [column.cast(pa.string())]


def _kinds(basis: Basis, ids: pa.Array, fixes: NDArray[np.void]) -> NDArray[np.uint8]:
    """Classes of terminals where they were last."""
    n = len(ids)
    known = fixes["t_pos"] > MIN_NS
    columns = {
        "terminal_id": ids,
        "observed_at": pa.array(fixes["t_seen"]),
        "lat_deg": pa.array(fixes["lat_pos"], mask=~known),
        "lon_deg": pa.array(fixes["lon_pos"], mask=~known),
        "position_source": pa.array(["gnss"]).take(pa.array(np.zeros(n, np.int32))),
    }
    table = pa.table(
        [columns[field.name] if field.name in columns else pa.nulls(n, field.type) for field in OBSERVATION_SCHEMA],
        schema=OBSERVATION_SCHEMA,
    )
    judge = Judge(basis)
    return Classifier(judge).of(judge.judge(table)).codes
