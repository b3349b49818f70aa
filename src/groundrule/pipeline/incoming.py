"""What comes to the import of reports: files, and, only where a person asked for it, pages of the public internet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from groundrule.errors import InputError
from groundrule.evidence.web_address import is_address, shown
from groundrule.evidence.web_record import Fetched, archive
from groundrule.pipeline.fetching import AGENT, fetch

Fetch = Callable[[str], Fetched]


@dataclass(frozen=True, slots=True)
class Incoming:
    """One thing to import.

    Attributes:
        name: as a person gave it.
        path: the file, or None for an address.
        fetched: what the address answered.
        refused: why there is nothing to import, or empty.
    """

    name: str
    path: Path | None = None
    fetched: Fetched | None = None
    refused: str = ""


def refuse_address(text: str) -> None:
    """Refuse an address: nothing is fetched unless it was asked for.

    Raises:
        InputError: it is one.
    """
    if is_address(text) and not Path(text).is_file():
        raise InputError(
            f"`{shown(text)}` is an address, and import fetches nothing from the network unless told to",
            help="save the page in your browser as a file (or as WARC) and import that, with --source-url and --captured-at;"
            " or give --fetch, and the site sees that you ask",
        )


def incoming(given: Iterable[str], *, fetch_with: Fetch | None = None) -> tuple[Incoming, ...]:
    """Return what is to be imported, in the order given. Nothing of the home is touched, so it needs no lock.

    Args:
        given: names of files, and addresses.
        fetch_with: asks an address; None where nothing may be fetched. Each is asked once, whatever comes of it.
    """
    made = []
    for each in given:
        if not is_address(each) or Path(each).is_file():
            made.append(Incoming(each, path=Path(each)))
            continue
        name = shown(each)
        try:
            if fetch_with is None:
                refuse_address(each)
            else:
                made.append(Incoming(name, fetched=fetch_with(each)))
        except InputError as error:
            made.append(Incoming(name, refused=str(error)))
    return tuple(made)


def from_network(address: str) -> Fetched:
    """Ask an address by the network of this machine; see `fetch`."""
    return fetch(address)


def bytes_of(source: Incoming, *, most: int) -> tuple[bytes, str]:
    """Return the bytes of a source and the name they are kept by.

    Args:
        source: what to import.
        most: longest file that is opened [bytes].

    Raises:
        InputError: refused before, no file, or too long. OSError: it cannot be read.
    """
    if source.fetched is not None:
        return archive(source.fetched, agent=AGENT), source.fetched.file_name
    if source.path is None:
        raise InputError(source.refused or f"`{source.name}` is nothing to import")
    path = source.path
    if not path.is_file():
        raise InputError(f"there is no file `{path}`", help="name a saved page, PDF, text or web archive")
    with path.open("rb") as stream:
        # Not by its size: that of a file that grows, or of no plain file, says nothing.
        raw = stream.read(most + 1)
    if len(raw) > most:
        raise InputError(
            f"`{path}` has {max(path.stat().st_size, len(raw)):,} bytes",
            help=f"at most {most:,} are read; import the article alone",
        )
    return raw, path.name
