"""Publishes the aggregates of a home, day by day.

    HOME/aggregates/YYYY-MM-DD.json         public
    HOME/sealed/aggregate-YYYY-MM-DD.json   exact counts and suppression steps: for auditors, never published

The sealed part is written first and decides what the day's file is: whatever a crash leaves undone, a second call
completes with the same bytes. It has no day of disclosure; the next 90 days need it, so keep it with the backups.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groundrule.canon import canonical_json, canonical_signed, parse_canonical
from groundrule.errors import ConflictError, InputError, IntegrityError, StoreError
from groundrule.instant import NS_PER_DAY, format_instant, parse_instant
from groundrule.ledger.aggregate import DELAY_NS, WINDOW_DAYS, AggregateFile, aggregate
from groundrule.ledger.commitment import SALT_BYTES, seal_commitment
from groundrule.pipeline.day_counts import DayCounts
from groundrule.pipeline.erasing import complete_begun
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.journal import accounts_of
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from groundrule.store.workplace import workplace

WHAT: Final = "aggregate"
"""What the `evidence` entry says that it is about."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SEALED = re.compile(r"aggregate-(\d{4}-\d{2}-\d{2})\.json")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class PublishedDay:
    """The aggregates of one day.

    Attributes:
        file: what is published, and what is sealed.
        path: of the public file.
        commitment: to the sealed part, base64.
        decisions: final decisions of the day.
        placed: those with a country and a cell; the others are in no count.
        again: the day was published before; then `decisions` and `placed` are not counted again and None.
    """

    file: AggregateFile
    path: Path
    commitment: str
    decisions: int | None
    placed: int | None
    again: bool


def aggregates_folder(home: Home) -> Path:
    """Return the folder of the public files."""
    return home.path / "aggregates"


def sealed_path(home: Home, day: str) -> Path:
    """Return where the sealed part of a day lies."""
    return home.path / "sealed" / f"aggregate-{day}.json"


def publish_aggregate(ledger: HomeLedger, day: str, *, conflict: Sequence[str] = ()) -> PublishedDay:
    """Count the final decisions of a day, write the public file, and log its digest with a commitment to the exact counts.

    A day that was published before stays as it is; what a crash left undone of it is completed.

    Args:
        ledger: of the home; the caller holds the home's write lock.
        day: `YYYY-MM-DD`, UTC; days are published in order.
        conflict: countries of two letters in which nothing finer than the country is published.
    Raises:
        InputError: no day, or no country. ConflictError: it is too early; or a later day is published already; or the files
            of the window together would expose a small group, so that nothing was written.
        IntegrityError: history, a public file or a sealed part is not what was written.
    """
    start_ns = _start(day)
    if strange := [code for code in conflict if _COUNTRY.fullmatch(code) is None]:
        raise InputError(f"`{strange[0][:40]}` is not a country", help="write two capital letters, for instance UA")
    home = ledger.home
    complete_begun(home, ledger)
    known = sealed_path(home, day)
    if known.exists():
        file, text = open_sealed(known, ledger.keys)
        return _complete(ledger, PublishedDay(file, aggregates_folder(home) / f"{day}.json", text, None, None, True))
    now = ledger.clock()
    if now < start_ns + NS_PER_DAY + DELAY_NS:
        raise ConflictError(
            f"the aggregates of {day} may not be published yet",
            help=f"decisions are final 72 h after the end of the day, at {format_instant(start_ns + NS_PER_DAY + DELAY_NS)}",
        )
    published = _published(home)
    if later := [other for other in published if other > day]:
        raise ConflictError(
            f"the aggregates of {later[0]} are published already, and those of {day} were not compared with them",
            help="days are published in order; one that was left out stays out",
        )
    window = [
        open_sealed(sealed_path(home, other), ledger.keys)[0]
        for other in published
        if start_ns - _start(other) < WINDOW_DAYS * NS_PER_DAY
    ]
    with workplace(home.cache) as folder:
        counts = DayCounts(home, day, accounts_of(home, now), folder)
        file = aggregate(counts.decided(), day=day, issued_ns=now, conflict=conflict, previous=window)
    # INVARIANT: from here on the day is decided; everything after follows from this file.
    text = seal_counts(ledger.keys, known, file)
    return _complete(
        ledger,
        PublishedDay(file, aggregates_folder(home) / f"{day}.json", text, counts.decisions, counts.placed, False),
    )


def seal_counts(keys: KeyService, path: Path, file: AggregateFile) -> str:
    """Write the exact counts behind a public file under seal, and return the commitment to them [base64]."""
    content = file.sealed()
    salt = os.urandom(SALT_BYTES)
    commitment = seal_commitment(salt, content)
    keys.put_seal_salt(commitment.hex(), salt)
    path.parent.mkdir(mode=0o700, exist_ok=True)  # exact counts are for auditors
    write_durably(path, canonical_signed({"commitment": commitment.hex(), "content": content}))
    return b64encode(commitment).decode()


def read_sealed(home: Home, day: str, keys: KeyService) -> AggregateFile:
    """Read the exact counts of a day, for an auditor or for the days after it, and check them against their commitment.

    Raises:
        InputError: the day is not published. IntegrityError: they are not what was committed to.
    """
    _start(day)
    return open_sealed(sealed_path(home, day), keys)[0]


def _complete(ledger: HomeLedger, done: PublishedDay) -> PublishedDay:
    """Write the public file and log it, as far as that has not been done."""
    data = done.file.public()
    if not done.path.exists():
        write_durably(done.path, data)
    elif _bytes(done.path) != data:
        raise IntegrityError(
            f"`{done.path}` is not what was published", help="remove it and publish the day again; it follows from what is sealed"
        )
    body: dict[str, Any] = {
        "day": done.file.day, "sealed": done.commitment, "sha256": done.file.digest, "what": WHAT,
    }  # fmt: skip
    if not ledger.records.is_queued("evidence", canonical_json(body).decode()):
        ledger.queue("evidence", body)
    ledger.flush()
    return done


def _published(home: Home) -> list[str]:
    """The days whose aggregates are decided, in order."""
    folder = home.path / "sealed"
    found = (_SEALED.fullmatch(path.name) for path in folder.iterdir()) if folder.exists() else ()
    return sorted(match.group(1) for match in found if match)


def open_sealed(path: Path, keys: KeyService) -> tuple[AggregateFile, str]:
    """Return the exact counts that a file holds under seal, and the commitment to them [base64].

    Raises:
        InputError: there is no such file. IntegrityError: it is not what was committed to.
    """
    data = _bytes(path)
    try:
        held = parse_canonical(data)
        commitment = bytes.fromhex(held["commitment"])
        salt = keys.seal_salt(commitment.hex())
        intact = salt is not None and seal_commitment(salt, held["content"]) == commitment
        file = AggregateFile.from_sealed(canonical_signed(held["content"]))
    except (InputError, KeyError, TypeError, ValueError):
        intact = False
    if not intact:
        raise IntegrityError(
            f"the sealed counts `{path}` are not what was committed to",
            help="restore them and the folder of keys from backups; no later day can be published without them",
        )
    return file, b64encode(commitment).decode()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no `{path}`", help="publish the day first: groundrule ledger aggregate DAY") from None
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error


def _start(day: str) -> int:
    """Start of a day [ns, UTC]."""
    if _DAY.fullmatch(day) is None:
        raise InputError(f"`{day[:20]}` is not a day", help="write for instance 2026-03-01")
    return parse_instant(day)
