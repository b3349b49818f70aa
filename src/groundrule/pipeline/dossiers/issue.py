"""A dossier from beginning to end: composed, redacted for its reader, proved, printed, sealed, and its openings kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from groundrule.evidence.dossier import Dossier, SubjectKind
from groundrule.evidence.dossier_json import dossier_json
from groundrule.evidence.render.documents import Documents, documents
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.dossiers.openings import keep_openings, redacted
from groundrule.pipeline.dossiers.seal import Proofs, Sealed, Vouched, prove, seal
from groundrule.store.home import Home

Vouching = Callable[[Mapping[str, Any]], Vouched]


@dataclass(frozen=True, slots=True)
class Issued:
    """A finished dossier.

    Attributes:
        dossier: as its reader gets it.
        documents: what people read.
        sealed: its bundle.
    """

    dossier: Dossier
    documents: Documents
    sealed: Sealed

    @property
    def files(self) -> dict[str, bytes]:
        """Everything to be handed over, by name."""
        return {**self.documents.files, "dossier.zip": self.sealed.archive}


def issue(
    bench: Bench,
    kind: SubjectKind,
    subject: str,
    *,
    as_of_ns: int | None = None,
    language: str = "en",
    log: bool = True,
    pdf: bool = True,
    vouching: Vouching | None = None,
    check: Callable[[Dossier], None] = lambda _: None,
    step: Callable[[str], None] = lambda _: None,
) -> Issued:
    """Make a dossier.

    Args:
        bench: the home, and for whom.
        kind, subject, as_of_ns: as of `compose`.
        language: of the words.
        log: whether the log is to name it.
        pdf: whether to print it as PDF, too.
        vouching: as of `seal`.
        check: may refuse what would be handed over, before anything is proved or logged.
        step: is told what is being done.
    Raises:
        InputError: no such subject, or no words in this language. IntegrityError: something kept has been changed.
    """
    step("compose")
    made, openings = redacted(bench, compose(bench, kind, subject, as_of_ns=as_of_ns))
    check(made)
    log = log and bench.log is not None
    step("prove")
    proofs = prove(bench.home, replace(made, in_log=log))
    step("print")
    written, sealed = _sealed(bench.home, proofs, language, pdf=pdf, log=log, vouching=vouching)
    if log and sealed.entry is None:
        # The page must not promise an entry that is not there: it says that there is none, and why stands in what is printed.
        proofs = replace(proofs, dossier=replace(proofs.dossier, in_log=False), trouble=sealed.trouble)
        written, sealed = _sealed(bench.home, proofs, language, pdf=pdf, log=False, vouching=None)
    keep_openings(bench.home, sealed.manifest_sha256, openings)
    return Issued(proofs.dossier, written, sealed)


def _sealed(
    home: Home, proofs: Proofs, language: str, *, pdf: bool, log: bool, vouching: Vouching | None
) -> tuple[Documents, Sealed]:
    beside = {**proofs.files, "dossier.json": dossier_json(proofs.dossier)}
    written = documents(proofs.dossier, language=language, files=beside, pdf=pdf)
    return written, seal(home, proofs.dossier, proofs, written.files, log=log, vouching=vouching)
