"""Genesis of a home, and what is in force in it.

Rules and areas of a home are chosen at genesis. Areas and lists may be imported later, marked ungoverned wherever they
show, until the home has a charter: from then on `store.policy` says what is in force, and only an enactment changes it.
"""

from __future__ import annotations

import json
import os
import threading
from functools import lru_cache
from pathlib import Path

from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area, AreaSet
from groundrule.areas.world import load_world
from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, ledger_of
from groundrule.pipeline.judge import Basis, make_basis
from groundrule.rules.model import Rulebook
from groundrule.rules.text import load_rulebook, read_rulebook
from groundrule.store.area_store import add_areas, current_areas_digest, index_cache, load_areas, save_areas
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.policy import check_ungoverned, in_force
from groundrule.store.register_versions import check_place
from groundrule.store.registers import Registers
from groundrule.store.timeline import RegisterTimeline

_POINTER = "current.json"


def create_home(
    path: Path,
    *,
    rules: str = "world-2026",
    world: bool = True,
    areas: tuple[Area, ...] = (),
    home_id: str | None = None,
    registers: str | None = None,
    history: Path | str | None = None,
    ledger: LedgerSetup | None = LedgerSetup(),  # noqa: B008 - frozen
) -> Home:
    """Make a home: the only moment at which rules come into force without anybody's approval.

    Args:
        path: a directory that does not exist or is empty.
        rules: name of a shipped rulebook or path of a file.
        world: whether the shipped world areas are in it.
        areas: further areas.
        home_id: identity of the home; random if None.
        registers: address of the PostgreSQL database that holds the registers; None keeps them in the home.
        history: an empty directory for the history, outside of the home, or the address of an empty prefix in object storage; None
            keeps it in the home.
        ledger: how its log is made; None leaves the home without one, and nothing it decides can be proved.
    Raises:
        RulebookErrors: the rulebook cannot be used; nothing is created.
        StoreError, ConflictError: the database cannot be reached, or has registers already; nothing is created.
    """
    rulebook = load_rulebook(rules)
    if registers is not None:
        check_place(registers)
    home = Home.create(path, home_id=home_id, registers=registers, history=history)
    with home.writer():
        # First, since all else asks them whether there is a charter; registers that are gone are an error, and no "no".
        Registers.create(home).close()
        store_rulebook(home, rulebook)
        write_durably(home.rulebooks / _POINTER, json.dumps({"rulebook": rulebook.digest}).encode())
        save_areas(home, areas, world=world)
        if ledger is not None:
            with HomeLedger.create(home, rulebook=rulebook.digest, setup=ledger) as made:
                made.commit()
    return home


def import_areas(home: Home, areas: tuple[Area, ...]) -> tuple[AreaSet, list[str]]:
    """Add areas to those in force, once the log says so; see `store.area_store.add_areas`.

    Raises:
        ConflictError: also where the home has a charter: then only an enactment changes areas.
    """
    check_ungoverned(home, "areas")
    ledger = ledger_of(home)
    if ledger is None:
        return add_areas(home, areas)
    with ledger:
        rulebook = rulebook_of(home).digest

        def announce(after: AreaSet) -> None:
            if after.digest == current_areas_digest(home):
                return
            ledger.announce_policy(rulebook, after.digest, note="areas imported")
            committed = ledger.commit()
            if not committed.accepted:
                raise ConflictError(
                    f"the areas are not in force: {'; '.join(committed.trouble) or 'the quorum of witnesses is missing'}",
                    help="what changes where the network serves holds only once its witnesses have seen it; try again",
                )

        return add_areas(home, areas, before=announce)


def rulebook_of(home: Home, digest: str | None = None) -> Rulebook:
    """Read a rulebook of the home and check its digest; None is the one in force.

    Raises:
        IntegrityError: the stored text does not give this digest.
    """
    try:
        wanted = digest or _rulebook_in_force(home)
        path = home.rulebooks / f"{wanted.removeprefix('sha256:')}.yaml"
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"no rulebook in `{home.rulebooks}`", help="restore it from a backup") from error
    rulebook = _parsed(text, str(path))
    if rulebook.digest != wanted:
        raise IntegrityError(f"the rulebook `{path}` has been changed: its digest is {rulebook.digest}", path=str(path))
    return rulebook


@lru_cache(maxsize=4)
def _parsed(text: str, file: str) -> Rulebook:
    """Rulebooks never change once they are read; a preview asks for the one in force again and again."""
    return read_rulebook(text, file=file)


def _rulebook_in_force(home: Home) -> str:
    governed = in_force(home)
    return governed.rulebook if governed else str(json.loads((home.rulebooks / _POINTER).read_bytes())["rulebook"])


def store_rulebook(home: Home, rulebook: Rulebook) -> None:
    """Store a rulebook under its digest, and leave what is in force as it is."""
    write_durably(home.rulebooks / f"{rulebook.digest.removeprefix('sha256:')}.yaml", rulebook.text.encode())


def basis_of(
    home: Home,
    *,
    recorded_at_ns: int,
    rulebook: str | Rulebook | None = None,
    areas: str | None = None,
    registers: RegisterTimeline | None = None,
) -> Basis:
    """Read what decisions in this home rest on.

    Args:
        recorded_at_ns: registers as known at this instant [ns, UTC].
        rulebook: a rulebook, or the digest of one; None is the one in force.
        areas: digest of an area set; None is the one in force.
        registers: registers that are in memory already.
    """
    book = rulebook if isinstance(rulebook, Rulebook) else rulebook_of(home, rulebook)
    area_set = _areas(home, areas or current_areas_digest(home))
    registers = registers or RegisterTimeline.load(Registers.open(home), recorded_at_ns=recorded_at_ns)
    return make_basis(book, area_set, registers, index=_index(home, area_set), cache_dir=index_folder(home, area_set))


@lru_cache(maxsize=2)
def _areas(home: Home, digest: str) -> AreaSet:
    return load_areas(home, digest)[0]


_LOCAL = threading.local()


def _index(home: Home, areas: AreaSet) -> AreaIndex:
    """One index per area set and thread: it grows tables of its own as it is used, and two threads must not share it."""
    if getattr(_LOCAL, "digest", None) != areas.digest:
        _LOCAL.index = AreaIndex.build(areas.areas, cache_dir=index_folder(home, areas))
        _LOCAL.digest = areas.digest
    index: AreaIndex = _LOCAL.index
    return index


def index_folder(home: Home | None, areas: AreaSet) -> Path | None:
    """Return where the compiled index is kept: that of the shipped world serves every home of this user.

    Args:
        home: whose areas they are; None without a home.
        areas: the set that is compiled.
    Returns:
        A folder, or None if there is none to write to.
    """
    if areas.digest == load_world().digest:
        try:
            folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundrule"
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):
            return index_cache(home) if home else None
        if os.access(folder, os.W_OK):
            return folder
    return index_cache(home) if home else None
