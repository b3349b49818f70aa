"""Lists into a home, and what the log says of it: an entry for each import, without a name of the list."""

from __future__ import annotations

from groundrule.canon import SCHEME
from groundrule.govern.list_imports import KIND, WHAT, ListImport
from groundrule.govern.signed import whole_ms
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.screen.model import ListSnapshot
from groundrule.store.sanctions import SanctionsLists, StoredSnapshot


def keep_list(
    lists: SanctionsLists,
    ledger: HomeLedger | None,
    snapshot: ListSnapshot,
    *,
    recorded_ns: int,
    actor: str,
    accept_incomplete: bool = False,
) -> tuple[StoredSnapshot, bool, int | None]:
    """Keep a list, and log that it was imported; also the import of one that is held already, which says that it was asked for.

    Args:
        lists, ledger: of the home; the caller holds its write lock. A home without a log has no ledger.
        snapshot: as read.
        recorded_ns: now [ns since 1970, UTC].
        actor: who imports; not in the log.
        accept_incomplete: keep it although its file broke off.
    Returns:
        What is held of it, whether it is new, and its entry in the log.
    Raises:
        InputError: as `SanctionsLists.add`; nothing is logged then.
    """
    stored, new = lists.add(snapshot, recorded_ns=recorded_ns, actor=actor, accept_incomplete=accept_incomplete)
    if ledger is None:
        return stored, new, None
    made = ListImport(
        what=WHAT,
        source=stored.source,
        published=whole_ms(stored.published_ns),
        sha256=stored.digest.removeprefix(SCHEME),
        files=tuple(sorted({each.sha256.removeprefix(SCHEME) for each in snapshot.files})),
        format=stored.format,
        entries=stored.entries,
        broken=stored.broken,
        complete=stored.complete,
        new=new,
    )
    # What a crash lost between the index and the log is logged by the next import of the same list, or of a newer one.
    ledger.queue(KIND, ListImport.parse(made.value).value)
    index = ledger.log.size + len(ledger.records.pending_outbox()) - 1
    ledger.flush()
    return stored, new, index
