"""Which sanctions lists the home holds, as the log says: one entry `evidence` for each import, also of a list held already.

    {what: sanctions-list, source, published, sha256, files, format, entries, broken, complete, new}

No name of a list is in it. Where the log holds imports of a source, they alone say which snapshot is the newest: a screening
cannot pass an older one off as new, and how long nobody has asked the publisher again is on record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from groundrule.govern.dealings import ListSnapshot
from groundrule.govern.signed import Code, Digest, Digests, Signed, Time, boolean, format_time, integer, one_of

KIND: Final = "evidence"
WHAT: Final = "sanctions-list"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListImport(Signed):
    """A list as it was imported.

    Attributes:
        source: which list.
        published: by the publisher.
        sha256: digest of the snapshot.
        files: digests of the published files, to be compared with the publisher's.
        format: of the files.
        entries, broken: counts.
        complete: False if its file broke off.
        new: False where the home held this snapshot already: the publisher was asked again, and nothing had changed.
    """

    what: Annotated[str, one_of(WHAT)]
    source: Code
    published: Time
    sha256: Digest
    files: Digests
    format: Code
    entries: Annotated[int, integer()]
    broken: Annotated[int, integer()]
    complete: Annotated[bool, boolean()]
    new: Annotated[bool, boolean()]

    @property
    def snapshot(self) -> ListSnapshot:
        """The list as a screening names it."""
        return ListSnapshot(source=self.source, date=format_time(self.published)[:10], sha256=self.sha256)


def is_import(kind: str, body: object) -> bool:
    """Tell whether an entry states the import of a list."""
    return kind == KIND and isinstance(body, Mapping) and body.get("what") == WHAT


class ListsLogged:
    """The imports that the log holds, folded.

    Attributes:
        newest: newest snapshot by source: of the latest date, and of these the one imported last.
        asked_ns: when a source was last imported, whether anything had changed or not [ns, the log's clock].
    """

    def __init__(self) -> None:
        self.newest: dict[str, ListSnapshot] = {}
        self.asked_ns: dict[str, int] = {}
        self._order: dict[str, int] = {}

    def copy(self) -> ListsLogged:
        """Return one that can be taken further without changing this one."""
        other = ListsLogged()
        other.newest, other.asked_ns, other._order = dict(self.newest), dict(self.asked_ns), dict(self._order)
        return other

    def take(self, t_ns: int, body: Mapping[str, Any]) -> None:
        """Take an import into account.

        Raises:
            InputError: it is no import.
        """
        made = ListImport.parse(body)
        self.asked_ns[made.source] = t_ns
        present = self._order.get(made.source)
        # Two lists of one time are both kept: the one that came later holds, and not the one that was imported again later.
        if present is None or made.published > present or (made.new and made.published == present):
            self._order[made.source], self.newest[made.source] = made.published, made.snapshot
