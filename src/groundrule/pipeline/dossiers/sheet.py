"""Statements of a dossier as they are written: by section, each with what it rests on, numbered at the end in the order of sections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from groundrule.evidence.dossier import Party, Section, Source, Statement, SubjectKind, section_order
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench


class Sheet:
    """Statements as they are written, numbered in the order of the sections at the end."""

    def __init__(self, bench: Bench, kind: SubjectKind) -> None:
        self._bench = bench
        self._order = section_order(kind)
        self._sections: dict[str, list[Statement]] = defaultdict(list)
        self._parts: dict[str, list[tuple[str, int, str]]] = defaultdict(list)

    def write(
        self,
        section: str,
        said: Said,
        sources: tuple[Source, ...] = (),
        about: Iterable[str] = (),
        parts: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Add a statement; `parts` are (party, role) that it shows."""
        rows = self._sections[section]
        for party, role in parts:
            self._parts[party].append((section, len(rows), role))
        rows.append(Statement("", said.standing, said.phrase, said.times, sources, tuple(sorted(set(about))), said.flags))

    def entry(self, index: int) -> tuple[Source, ...]:
        """Return the source of an entry of the log; with its proof where the published head covers it."""
        proof = f"proofs/entry-{index}.tlog-proof" if self._bench.proved(index) else ""
        return (Source("log_entry", f"entry:{index}", proof),)

    def finished(self) -> tuple[tuple[Section, ...], tuple[Party, ...]]:
        """Return the sections with numbered statements, and the parties with their parts."""
        number, made, ids = 0, [], dict[tuple[str, int], str]()
        for key in self._order:
            rows = self._sections.get(key)
            if not rows:
                continue
            numbered = []
            for place, row in enumerate(rows):
                number += 1
                ids[key, place] = f"s{number}"
                numbered.append(replace(row, id=f"s{number}"))
            made.append(Section(key, tuple(numbered)))
        parties = [
            Party(
                ref,
                self._bench.name(ref) or self._bench.units.get(ref, ""),
                self._bench.kind(ref),
                tuple(dict.fromkeys((role, ids[section, place]) for section, place, role in parts)),
                self._bench.units.get(ref, ""),
            )
            for ref, parts in self._parts.items()
        ]
        return tuple(made), tuple(sorted(parties, key=lambda party: int(party.parts[0][1][1:])))
