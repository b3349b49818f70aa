"""What an enforcement point holds: the charter that it trusts, the last good snapshot, emergencies, and how old they are.

    POINT/charter                 the envelope of the charter that is trusted
    POINT/trust.json              number, earliest date and latest time that are known; emergencies' clocks
    POINT/snapshots/current       the last good snapshot; `previous` is the one before; `bootstrap` came with the installation
    POINT/rulebooks, POINT/areas  content, under the digests of the manifest, checked when it is loaded and when it is read
    POINT/registers               what rules see of the registers, under its digest
    POINT/emergencies/ID          envelopes of both openers; ID.openings names the terminals behind its commitments

Everything comes from a folder that nobody need trust. What cannot be accepted is refused with its reason and changes
nothing: the last good snapshot goes on. An emergency ends by the clocks of this machine, with no connection to anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from groundrule.areas.model import AreaSet
from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, GroundruleError, InputError, IntegrityError
from groundrule.govern.bootstrap import BOOTSTRAP_TYPE, Bootstrap, judge_bootstrap
from groundrule.govern.effect import Clocked
from groundrule.govern.emergency import NS_PER_S, with_terminals
from groundrule.govern.objects import Emergency
from groundrule.govern.refusal import code_of, refuse
from groundrule.govern.rotation import read_charter
from groundrule.govern.signed import COMMITTED
from groundrule.govern.snapshot import (
    EMERGENCY_TYPE,
    REGISTERS,
    SNAPSHOT_TYPE,
    Snapshot,
    Trust,
    counted,
    judge_emergency,
    judge_rotation,
    judge_snapshot,
)
from groundrule.pipeline.emergency_overlay import Clocks
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.parties import read_openings
from groundrule.pipeline.publishing import BOOTSTRAP_FILE, SNAPSHOT_FILE
from groundrule.rules.model import Rulebook
from groundrule.signing import open_envelope
from groundrule.store.area_store import load_areas
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.register_extract import Extract, read_extract

_READ: Final = 4_000_000
_OPENINGS: Final = ".openings"
_PLACES: Final = {"rulebook": ("rulebooks", "yaml"), "area-set": ("areas", "parquet")}
_NAMES: Final = ("current", "previous", "bootstrap")
"""What may be loaded, best first."""
_OLDER: Final = frozenset({"seq_not_higher", "snapshot_before_rotation", "snapshot_expired", "snapshot_from_future", "charter_expired"})
"""Refusals of snapshots that are whole and signed; every other one is of a snapshot that is damaged or not signed."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a point decides by.

    Attributes:
        name: `current`, `previous`, `bootstrap` or `none`.
        snapshot: it; None where there is none.
        rulebook, areas, registers: its content; registers are empty where it has none.
        damaged: a better one should be there, and is damaged, not signed or missing.
    """

    name: str
    snapshot: Snapshot | Bootstrap | None
    rulebook: Rulebook | None
    areas: AreaSet | None
    registers: Extract
    damaged: bool

    @property
    def seq(self) -> int:
        """Number of the snapshot; 0 for the bootstrap policy and for none."""
        return 0 if self.snapshot is None else self.snapshot.seq


@dataclass(slots=True)
class Outcome:
    """What became of a folder that was brought.

    Attributes:
        accepted: what was taken in, in words.
        refused: file, code and sentence of what was not.
    """

    accepted: list[str] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Point:
    """An enforcement point; make one with `open`.

    Attributes:
        folder: where it keeps what it holds.
        trust: what it believes; None before it was given a charter.
        clocked: clocks of emergencies, by id.
        accepted: digest of the last snapshot that was accepted.
        kept: digests of what was accepted and may be loaded; empty in a folder of an older version.
        registers: digests of the extracts that came with the last snapshots, newest first; they are used while snapshots are damaged.
        refused: code of why the last snapshot that was brought is damaged or not signed; empty once a good one came.
    """

    folder: Path
    trust: Trust | None
    clocked: dict[str, Clocked]
    accepted: str = ""
    kept: tuple[str, ...] = ()
    refused: str = ""
    registers: tuple[str, ...] = ()
    _monotonic_ns: int = 0
    _boot: str = ""

    @classmethod
    def open(cls, folder: Path) -> Point:
        """Read what a point holds.

        Raises:
            IntegrityError: its charter or its numbers are damaged.
        """
        if not (folder / "charter").exists():
            return cls(folder, None, {})
        try:
            kept = json.loads((folder / "trust.json").read_bytes())
            charter = read_charter(_envelope(folder / "charter"))
            if charter.digest != kept["charter"]:
                raise ValueError("another charter")
            trust = Trust(charter, *(int(kept[name]) for name in ("seq", "since_ns", "seen_ns")))
            clocked = {name: _clocked(values) for name, values in kept["emergencies"].items()}
            names, extracts = (tuple(str(each) for each in kept.get(name, ())) for name in ("kept", REGISTERS))
            return cls(
                folder, trust, clocked, str(kept["accepted"]), names, str(kept.get("refused", "")), extracts,
                int(kept["monotonic_ns"]), str(kept["boot"]),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, GroundruleError) as error:
            raise IntegrityError(
                f"what the enforcement point `{folder}` trusts is damaged", help="set it up again with --pin", path=str(folder)
            ) from error

    # --- taking in ----------------------------------------------------------------------------------------------------

    def take(self, source: Path, clocks: Clocks, *, pin: str | None = None) -> Outcome:
        """Take in what a folder of the home holds, as far as it can be accepted.

        Args:
            source: as `publishing.write_folder` wrote it.
            clocks: of this machine, now.
            pin: SHA-256 of the first charter to trust [64 hex digits], learnt by another way; only for a new point.
        Raises:
            InputError: the point trusts nothing yet, and no charter with the digest is there.
        """
        made = Outcome()
        charters = sorted((source / "charters").glob("*.dsse"), key=lambda path: (len(path.name), path.name))
        if self.trust is None:
            self._begin(charters, pin, made)
        assert self.trust is not None
        self._tick(clocks)
        self._each(made, charters, lambda path: self._rotate(path, clocks))
        bootstrap, newest = source / BOOTSTRAP_FILE, source / SNAPSHOT_FILE
        if bootstrap.exists():
            self._each(made, [bootstrap], lambda path: self._bootstrap(path, source, clocks))
        if newest.exists() or not bootstrap.exists():
            before = len(made.refused)
            self._each(made, [newest], lambda path: self._snapshot(path, source, clocks))
            code = made.refused[-1][1] if len(made.refused) > before else ""
            self.refused = code if newest.exists() and code not in _OLDER else self.refused if code else ""
        self._each(made, sorted((source / "emergencies").glob("*.dsse")), lambda path: self._emergency(path, clocks))
        self._keep()
        return made

    def _each(self, made: Outcome, paths: list[Path], take: Callable[[Path], str]) -> None:
        for path in paths:
            try:
                said = take(path)
            except (ConflictError, InputError, IntegrityError) as error:
                made.refused.append((path.name, code_of(error), error.message))
            else:
                if said:
                    made.accepted.append(said)

    def _begin(self, charters: list[Path], pin: str | None, made: Outcome) -> None:
        for path in charters:
            charter = read_charter(_envelope(path))
            if charter.digest == pin:
                self.trust = Trust(charter)
                write_durably(self.folder / "charter", path.read_bytes())
                self._keep()
                made.accepted.append(f"charter version {charter.version}, as pinned")
                return
        raise InputError(
            "this enforcement point trusts no charter yet" if pin is None else "no charter with the pinned digest is there",
            help="give --pin the sha256 of `groundrule charter show`, learnt by another way than this folder",
        )

    def _rotate(self, path: Path, clocks: Clocks) -> str:
        assert self.trust is not None
        envelope = _envelope(path)
        if read_charter(envelope).version <= self.trust.charter.version:
            return ""
        before, self.trust = self.trust, judge_rotation(self.trust, envelope, clocks.wall_ns)
        write_durably(self.folder / "charter", path.read_bytes())
        self._keep()
        anew = "; keys were replaced, so numbers of snapshots begin anew" if self.trust.since_ns > before.since_ns else ""
        return f"charter version {self.trust.charter.version}{anew}"

    def _snapshot(self, path: Path, source: Path, clocks: Clocks) -> str:
        assert self.trust is not None
        envelope = _envelope(path)
        current = self.current()
        payload, _ = open_envelope(envelope, (), SNAPSHOT_TYPE)
        if current is not None and payload == current.data:
            return ""
        # A crash came between accepting it and keeping it: its number is known, and it alone may come again.
        again = sha256(payload).hexdigest() == self.accepted
        judged = replace(self.trust, seq=self.trust.seq - 1) if again else self.trust
        snapshot, trust = judge_snapshot(judged, envelope, clocks.wall_ns)
        self._store(snapshot, source)
        self._content(snapshot)
        snapshots = self.folder / "snapshots"
        if current is not None:
            write_durably(snapshots / "previous", self._loadable(self.load().name))
        # The number first: after a crash before the next step nothing older can be loaded.
        self.trust, self.accepted = trust, snapshot.digest
        if (extract := snapshot.objects.get(REGISTERS)) is not None:
            self.registers = tuple(dict.fromkeys([extract.sha256, *self.registers]))[:2]
        self.kept = tuple(dict.fromkeys([snapshot.digest, *([current.digest] if current else []), *self._bootstrap_kept()]))
        self._keep()
        write_durably(snapshots / "current", canonical_json(dict(envelope)))
        self._forget_registers()
        return f"snapshot {snapshot.seq}, policy {snapshot.policy_digest[:16]}…"

    def _bootstrap(self, path: Path, source: Path, clocks: Clocks) -> str:
        assert self.trust is not None
        envelope = _envelope(path)
        payload, _ = open_envelope(envelope, (), BOOTSTRAP_TYPE)
        if sha256(payload).hexdigest() in self._bootstrap_kept():
            return ""
        made = judge_bootstrap(self.trust, envelope, clocks.wall_ns)
        self._store(made, source)
        self._content(made)
        self.kept = tuple(dict.fromkeys([*self.kept, made.digest]))
        self._keep()
        write_durably(self.folder / "snapshots" / "bootstrap", canonical_json(dict(envelope)))
        return f"bootstrap policy {made.policy_digest[:16]}…"

    def _bootstrap_kept(self) -> list[str]:
        """Digest of the bootstrap policy that is installed."""
        try:
            payload, _ = open_envelope(_envelope(self.folder / "snapshots" / "bootstrap"), (), BOOTSTRAP_TYPE)
        except GroundruleError:
            return []
        return [each for each in (sha256(payload).hexdigest(),) if each in self.kept]

    def _store(self, snapshot: Snapshot | Bootstrap, source: Path) -> None:
        """Copy the content that a snapshot names from a folder, under the digests by which it is found.

        Raises:
            ConflictError: `content_missing`, `content_differs` or `content_unknown`.
        """
        kinds = {each.id: (each.type, each.sha256) for each in snapshot.manifest.objects}
        for name, content in snapshot.objects.items():
            try:
                data = (source / "objects" / content.sha256).read_bytes()
            except OSError:
                raise refuse("content_missing", f"the content of `{name}` is not there", help="bring the whole folder") from None
            if not content.holds(data):
                raise refuse("content_differs", f"the content of `{name}` has another digest", help="bring the folder again")
            if name == REGISTERS and name not in kinds:
                write_durably(self.folder / REGISTERS / f"{content.sha256}.parquet", data)
                continue
            kind, digest = kinds[name]
            if kind not in _PLACES:
                raise refuse("content_unknown", f"`{name}` is of type `{kind}`", help="use a version that knows it")
            place, suffix = _PLACES[kind]
            write_durably(self.folder / place / f"{digest}.{suffix}", data)

    def _content(self, snapshot: Snapshot | Bootstrap) -> tuple[Rulebook, AreaSet, Extract]:
        """Read the content of a snapshot, and recompute the digests that its manifest names.

        Raises:
            ConflictError: `content_differs`.
        """
        place = Home(self.folder, "")
        named = {each.id: f"sha256:{each.sha256}" for each in snapshot.manifest.objects}
        name = "rulebook"
        try:
            book = rulebook_of(place, named[name])
            name = "areas"
            areas = load_areas(place, named[name])[0]
            name = REGISTERS
            return book, areas, self._registers(snapshot)
        except (GroundruleError, KeyError) as error:
            said = error.message if isinstance(error, GroundruleError) else "it names none"
            raise refuse("content_differs", f"the content of `{name}` is not what the manifest names: {said}") from error

    def _registers(self, snapshot: Snapshot | Bootstrap) -> Extract:
        content = snapshot.objects.get(REGISTERS)
        if content is None:
            return Extract.empty()
        try:
            data = (self.folder / REGISTERS / f"{content.sha256}.parquet").read_bytes()
        except OSError:
            raise IntegrityError("the extract of the registers is missing") from None
        if not content.holds(data):
            raise IntegrityError("the extract of the registers has been changed")
        return read_extract(data)

    def _last_registers(self) -> Extract:
        """What the point knows of the registers beside any snapshot: no outage lifts the denial of a list."""
        for digest in self.registers:
            try:
                data = (self.folder / REGISTERS / f"{digest}.parquet").read_bytes()
                if sha256(data).hexdigest() == digest:
                    return read_extract(data)
            except (OSError, IntegrityError):
                continue
        return Extract.empty()

    def _forget_registers(self) -> None:
        """Remove extracts of older snapshots than the last two: they tell of people."""
        for path in (self.folder / REGISTERS).glob("*.parquet"):
            if path.stem not in self.registers:
                path.unlink()

    def _emergency(self, path: Path, clocks: Clocks) -> str:
        assert self.trust is not None
        envelope = _envelope(path)
        known = self.folder / "emergencies" / path.stem
        if known.exists() and path.stem in self.clocked:
            return ""
        current = self.current()
        if current is None:
            raise refuse("no_snapshot", "an emergency stands beside a snapshot, and none is loaded")
        made = judge_emergency(self.trust, current.policy_digest, envelope, clocks.wall_ns)
        if made.id != path.stem:
            raise refuse("other_id", "the file is named after another emergency")
        if with_terminals(made, openings := read_openings(path.with_suffix(_OPENINGS))).scope != made.scope:
            write_durably(known.with_suffix(_OPENINGS), path.with_suffix(_OPENINGS).read_bytes())
        if unknown := sum(each.startswith(COMMITTED) and each not in openings for each in made.scope.terminals):
            raise refuse("content_missing", f"{unknown} terminals of the emergency do not open here", help="bring the whole folder")
        write_durably(known, path.read_bytes())
        self.clocked[made.id] = Clocked(made.opened_at, made.ttl_s * NS_PER_S).tick(clocks.wall_ns, 0)
        return f"emergency {made.id}, {made.direction}, for {made.ttl_s:,} s from {made.value['opened_at']}"

    # --- what it holds ------------------------------------------------------------------------------------------------

    def current(self) -> Snapshot | None:
        """Return the last good snapshot: the current one, or the previous where that is damaged; None if there is none."""
        found = self.load().snapshot
        return found if isinstance(found, Snapshot) else None

    def load(self) -> Loaded:
        """Load what this point decides by: the current snapshot, else the previous one, else the bootstrap policy.

        What is damaged, not signed, or was never accepted here is passed over, and said. An expired one stays in use.
        """
        damaged = bool(self.accepted)
        for name in _NAMES:
            if (self.folder / "snapshots" / name).exists():
                try:
                    found = self._verified(name)
                    book, areas, registers = self._content(found)
                except GroundruleError:
                    damaged = True
                    continue
                if name == "bootstrap":
                    registers = self._last_registers()
                return Loaded(name, found, book, areas, registers, damaged and name != "current")
        return Loaded("none", None, None, None, self._last_registers(), damaged)

    def installed(self) -> Rulebook | None:
        """Return the rulebook of the bootstrap policy; None where there is none or it is damaged."""
        try:
            named = {each.id: each.sha256 for each in self._verified("bootstrap").manifest.objects}
            return rulebook_of(Home(self.folder, ""), f"sha256:{named['rulebook']}")
        except (GroundruleError, KeyError):
            return None

    def _verified(self, name: str) -> Snapshot | Bootstrap:
        """Read a snapshot whose signatures were accepted here.

        Raises:
            GroundruleError: it is damaged, or was not accepted.
        """
        if self.trust is None:
            raise refuse("no_charter", "this enforcement point trusts no charter yet")
        charter, kind = self.trust.charter, BOOTSTRAP_TYPE if name == "bootstrap" else SNAPSHOT_TYPE
        payload, keys = open_envelope(_envelope(self.folder / "snapshots" / name), charter.trusted, kind)
        found = (Bootstrap if name == "bootstrap" else Snapshot).parse_bytes(payload)
        # Keys that vouched for it may have been replaced since; that it was accepted then is remembered.
        known = found.digest in self.kept if self.kept else found.digest == self.accepted
        if not known and (self.kept or len(counted(charter, keys, found.issued)) < charter.limits.snapshot_signers):
            raise refuse("snapshot_signers", f"`{name}` was never accepted here")
        return found

    def _loadable(self, name: str) -> bytes:
        return (self.folder / "snapshots" / name).read_bytes()

    def running(self, clocks: Clocks) -> list[Emergency]:
        """Return the emergencies that hold now, by the wall clock and by the clock that nobody sets; what it saw is kept."""
        self._tick(clocks)
        self._keep()
        found = []
        for name, each in sorted(self.clocked.items()):
            if each.ended_ns is None:
                payload, _ = open_envelope(_envelope(self.folder / "emergencies" / name), (), EMERGENCY_TYPE)
                opened = read_openings((self.folder / "emergencies" / name).with_suffix(_OPENINGS))
                found.append(with_terminals(Emergency.parse_bytes(payload), opened))
        return found

    def status(self, clocks: Clocks) -> dict[str, Any]:
        """Return what the point would decide under, and how stale it is."""
        running = self.running(clocks) if self.trust is not None else []
        current = self.current()
        held: dict[str, Any] = {"charter_version": None if self.trust is None else self.trust.charter.version, "snapshot": None}
        if current is not None and self.trust is not None:
            now = max(clocks.wall_ns, self.trust.seen_ns)
            held |= {
                "snapshot": {**current.value, "digest": current.digest},
                "staleness_s": max(0, now - current.issued) // NS_PER_S,
                "expired": now >= current.expires,
            }
        return held | {"emergencies": [each.value for each in running]}

    def _tick(self, clocks: Clocks) -> None:
        same = self._boot == clocks.boot and self._monotonic_ns <= clocks.monotonic_ns
        delta = clocks.monotonic_ns - self._monotonic_ns if same else clocks.monotonic_ns if self._boot else 0
        self.clocked = {name: each.tick(clocks.wall_ns, delta) for name, each in self.clocked.items()}
        self._monotonic_ns, self._boot = clocks.monotonic_ns, clocks.boot
        if self.trust is not None:
            self.trust = self.trust.at(clocks.wall_ns)

    def _keep(self) -> None:
        assert self.trust is not None
        value = {
            "charter": self.trust.charter.digest,
            "accepted": self.accepted,
            "kept": list(self.kept),
            "refused": self.refused,
            REGISTERS: list(self.registers),
            **{name: str(getattr(self.trust, name)) for name in ("seq", "since_ns", "seen_ns")},
            "emergencies": {
                name: [None if found is None else str(found) for found in (getattr(each, part) for part in Clocked.__slots__)]
                for name, each in self.clocked.items()
            },
            "monotonic_ns": str(self._monotonic_ns),
            "boot": self._boot,
        }
        write_durably(self.folder / "trust.json", canonical_json(value))


def _envelope(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as stream:
            data = stream.read(_READ + 1)
        value = json.loads(data) if len(data) <= _READ else None
    except OSError:
        raise InputError(f"`{path.name}` is not there", help="bring the whole folder", path=str(path)) from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"`{path.name}` is no signed envelope", help="bring it again from the home", path=str(path))
    return value


def _clocked(values: list[str | None]) -> Clocked:
    numbers = [None if each is None else int(each) for each in values]
    opened, ttl, monotonic, elapsed, running = (each or 0 for each in numbers[:5])
    return Clocked(opened, ttl, monotonic, elapsed, running, numbers[5])
