"""Batches of a folder of decisions taken into the home: each becomes the run that one machine would have made of the same files.

    observations of all buckets ──► in order ──► decided by `pipeline.runs` ──► compared with what the cluster wrote ──► committed

A batch holds what was decided and not why, and a folder that many machines write is no ground for a log. So this machine decides the
accepted observations again, by the one way in which runs are made and committed, and commits nothing that differs from the folder. What
is slow on one machine and needs no second time is left out: reading, repeats, and what the home remembers. Which batches a home has
taken is written nowhere: a run that says all that a batch says is that batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from groundrule.canon import digest
from groundrule.engines.decided_folder import DecidedBatch, DecidedFolder, combined
from groundrule.engines.slices import by_bucket
from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.emergency_overlay import overlay_faults
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.lateness import DecidedBatch as DecidedRows
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.overlay import Overlay
from groundrule.pipeline.replaying import Progress, no_progress
from groundrule.pipeline.runs import Inputs, Run, Scribe, decide
from groundrule.pipeline.snapshots import as_of_of, basis_of_run
from groundrule.records import DECISION_SCHEMA
from groundrule.store.area_store import current_areas_digest
from groundrule.store.history import run_files
from groundrule.store.home import Home
from groundrule.store.places import Place, on_this_machine
from groundrule.store.policy import put_object
from groundrule.store.registers import Registers
from groundrule.store.workplace import workplace

_SAID: Final = ("engine", "recorded_at_ns", "as_of_ns", "rejected", "rulebook", "areas", "registers", "counts", "emergencies")
"""What a batch and the run of the same files say in the same words."""
_COMPARING_MB: Final = 1_024
"""Memory in which corrections are compared that stand in another order; beyond it they go to disk [MB]."""


@dataclass(frozen=True, slots=True)
class Held:
    """Which batches of a folder a home has.

    Attributes:
        batches: how many, from the first.
        others: the home has runs after these that are no batches of the folder.
    """

    batches: int
    others: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch that has become a run.

    Attributes:
        batch: its number.
        run: as it was committed.
    """

    batch: int
    run: Run


def held_by(home: Home, folder: DecidedFolder) -> Held:
    """Return which batches of a folder a home has.

    Raises:
        ConflictError: the folder is of another home, or begins where this one has never been, or the home has decided
            something else where a batch would be next.
        IntegrityError: a manifest of the home has been changed.
    """
    if not folder.batches:
        return Held(0, others=False)
    begin = folder.batches[0].manifest
    if begin["home"] != home.id:
        raise ConflictError(f"`{folder.path}` holds decisions of another home, {begin['home']}", help="name another folder")
    known, base = runs(home), begin["base"]
    last = 0 if base is None else int(base["run"])
    if base is not None and (last not in known or digest(read_manifest(home, last)) != base["manifest"]):
        raise ConflictError(
            f"`{folder.path}` was begun after run {last} of a home that was another then", help="decide again into another folder"
        )
    later = [run for run in known if run > last]
    batches = [each for each in folder.batches if _makes_run(each)]
    for run, batch in zip(later, batches, strict=False):
        if not _is_run(read_manifest(home, run), batch):
            raise ConflictError(
                f"the home has decided more since `{folder.path}` was begun: run {run} is not batch {batch.manifest['batch']}",
                help="name another folder: it begins with what is known now",
            )
    if len(later) < len(batches):
        return Held(folder.batches.index(batches[len(later)]), others=False)
    return Held(len(folder.batches), others=len(later) > len(batches))


def take(home: Home, folder: DecidedFolder, ledger: HomeLedger | None, *, progress: Progress = no_progress) -> Iterator[Taken]:
    """Make a run of each batch that the home does not have yet, in their order, and yield it when it is committed.

    Args:
        home: the caller holds its write lock.
        folder: whose files were checked.
        ledger: the home's log, open; None only where the home has none.
        progress: told of rows done.
    Raises:
        ConflictError: as `held_by`; or another program version, rulebook, areas or registers than a batch was decided under. Nothing
            is committed.
        IntegrityError: what this machine decides is not what the folder holds; nothing of this batch is committed.
        StoreError: the disk refused; nothing of this batch is committed.
    """
    waiting = [each for each in folder.batches[held_by(home, folder).batches :] if _makes_run(each)]
    _check_in_force(home, waiting)
    basis: Basis | None = None
    for batch in waiting:
        if (data := _emergencies(batch)) is not None:
            put_object(home, data)
        basis = basis_of_run(home, batch.manifest, basis)
        yield Taken(batch.manifest["batch"], _run_of(home, folder, batch, basis, ledger, progress))


def _run_of(
    home: Home, folder: DecidedFolder, batch: DecidedBatch, basis: Basis, ledger: HomeLedger | None, progress: Progress
) -> Run:
    manifest = batch.manifest

    def observations() -> Iterator[pa.Table]:
        for kind in ("observations", "over_late"):
            yield from folder.tables(kind, [batch])

    inputs = Inputs(
        observations(), files=lambda: _inputs(manifest), rejected=lambda: dict(manifest["rejected"]),
        repeats=manifest["counts"]["duplicates"],
    )  # fmt: skip
    with Scribe() as scribe:
        alike = _Alike(home, batch, scribe)
        return decide(
            home, inputs, recorded_at_ns=int(manifest["recorded_at_ns"]), as_of_ns=as_of_of(manifest), progress=progress, basis=basis,
            ledger=ledger, watch=alike.see, overlay=basis.overlay, agreed=alike.conclude,
        )  # fmt: skip


class _Alike:
    """Compares what this machine decides of one batch with what the cluster decided."""

    def __init__(self, home: Home, batch: DecidedBatch, scribe: Scribe) -> None:
        self._home, self._batch, self._scribe = home, batch, scribe
        self._digests: dict[str, dict[int, TableDigest]] = {"decisions": {}, "corrections": {}}

    def see(self, judge: Judge, decided: DecidedRows) -> None:
        """Take a batch of decisions up, in the order of the run."""
        del judge
        self._scribe.do(self._add, self._digests["corrections" if decided.correction else "decisions"], decided.table)

    def conclude(self, content: dict[str, Any]) -> None:
        """Compare, and keep the rejected rows; called before anything is committed.

        Raises:
            IntegrityError: something differs.
        """
        self._scribe.finish()
        manifest, said = self._batch.manifest, _said(self._batch.manifest)
        if different := [name for name in said if content.get(name) != said[name]]:
            raise self._otherwise(f"the {different[0]} of the run are not those of the batch")
        for kind, found in self._digests.items():
            if combined({bucket: each.content for bucket, each in found.items()}) == manifest[kind]:
                continue
            # So many corrections that one machine decides them in parts: the same ones, in another order.
            if kind == "corrections" and _same_corrections(self._home, int(content["run"]), self._batch):
                continue
            raise self._otherwise(f"the {kind} have another digest")
        if "emergencies" in content and (faults := overlay_faults(self._home, [content])):
            raise self._otherwise(faults[0])
        _write_rejected(self._home, self._batch)

    def _add(self, digests: dict[int, TableDigest], table: pa.Table) -> None:
        for bucket, mine in by_bucket(table, self._batch.manifest["buckets"]):
            digests.setdefault(bucket, TableDigest()).update(mine)

    def _otherwise(self, what: str) -> IntegrityError:
        return IntegrityError(
            f"batch {self._batch.manifest['batch']}: this machine decides otherwise than the cluster did: {what}",
            help="nothing of it is in the home; decide the files again, and say so to whoever wrote the folder",
            path=str(self._batch.folder),
        )


def _check_in_force(home: Home, batches: list[DecidedBatch]) -> None:
    """Refuse batches that were decided under something else than the home says; before any of them is taken."""
    # Auditors look at the policy that was in force when a batch of decisions entered the log.
    here = {"rulebook": rulebook_of(home).digest, "areas": current_areas_digest(home)}
    with Registers.open(home) as registers:
        for batch in batches:
            manifest = batch.manifest
            named = f"batch {manifest['batch']} of `{batch.folder.parent}`"
            if manifest["engine"] != ENGINE:
                raise ConflictError(f"{named} was decided by {manifest['engine']}, and this is {ENGINE}", help="take it with that version")
            for what, digest_ in here.items():
                if manifest[what] != digest_:
                    raise ConflictError(
                        f"{named} was decided under another {what} than is in force, {manifest[what]}",
                        help="decisions enter the log under what is in force: decide the files again, and take batches before an enactment",
                    )
            if registers.revision(int(manifest["recorded_at_ns"])).digest != manifest["registers"]["digest"]:
                raise ConflictError(
                    f"{named} was decided under registers that this home did not have then", help="decide again into another folder"
                )


def _makes_run(batch: DecidedBatch) -> bool:
    """Was there a row that could be used? Without one, one machine makes no run."""
    counts = batch.manifest["counts"]
    return bool(counts["decided"] + counts["duplicates"] + counts["over_late"])


def _is_run(run: dict[str, Any], batch: DecidedBatch) -> bool:
    rows = sum(batch.manifest[kind]["rows"] for kind in ("decisions", "corrections"))
    said = _said(batch.manifest)
    return all(run.get(name) == value for name, value in said.items()) and run["decisions"]["rows"] == rows


def _said(manifest: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": _inputs(manifest), **{name: manifest.get(name) for name in _SAID}}


def _inputs(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Files that could be read, as a run names them."""
    return [each for each in manifest["inputs"] if "unreadable" not in each]


def _emergencies(batch: DecidedBatch) -> bytes | None:
    """Bytes of the emergencies that a batch was decided under; None where there were none."""
    if (named := batch.manifest.get("emergencies")) is None:
        return None
    file = batch.file("emergencies", 0)
    data = b"" if file is None else batch.data(file)
    if file is None or Overlay.parse(data).digest != named:
        raise IntegrityError(f"`{batch.folder}` does not hold the emergencies that its manifest names", path=str(batch.folder))
    return data


def _same_corrections(home: Home, run: int, batch: DecidedBatch) -> bool:
    """Are the corrections of a run, which is stored and not committed, those of a batch, in whatever order?"""
    import duckdb  # noqa: PLC0415 - a tenth of a second to load, for what only large batches need

    mine: list[Place] = [*run_files(home, "decisions", run, corrections=True)]
    others: list[Place] = [batch.folder / each.name for each in batch.files if each.kind == "corrections"]
    if not mine or not others:
        return not mine and not others
    names = ", ".join(f'"{name}"' for name in DECISION_SCHEMA.names)

    def differs(first: list[str], second: list[str]) -> bool:
        # The names are those of a schema, and the files those of this home and folder.
        sides = (f"SELECT {names} FROM read_parquet({files!r}, hive_partitioning = false)" for files in (first, second))  # noqa: S608
        return connection.sql(" EXCEPT ALL ".join(sides)).limit(1).fetchall() != []

    try:
        with workplace(home.cache) as folder:
            settings = {"memory_limit": f"{_COMPARING_MB}MB", "threads": 1, "temp_directory": str(folder)}
            with duckdb.connect(config=settings) as connection:
                first, second = (on_this_machine(places, folder / side) for side, places in (("mine", mine), ("others", others)))
                return not differs(first, second) and not differs(second, first)
    except duckdb.Error as error:
        raise StoreError(f"comparing corrections failed: {str(error).splitlines()[0]}", path=str(home.cache)) from error


def _write_rejected(home: Home, batch: DecidedBatch) -> None:
    """Keep rows that could not be used where one machine keeps them, by bucket, file and row."""
    if kept := [each for each in batch.files if each.kind == "rejected"]:
        with (home.rejected / f"observations-{batch.manifest['recorded_at_ns']}.jsonl").open("wb") as stream:
            for each in kept:
                stream.write(batch.data(each))
