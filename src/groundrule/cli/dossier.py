"""`groundrule dossier`: everything that bears on one subject, in one file that a stranger reads and checks without us."""

from __future__ import annotations

import re
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.evidence.dossier import Dossier, Reader, SubjectKind
from groundrule.evidence.render.page import page_html
from groundrule.evidence.render.words import names_in, words
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.dossiers.openings import keep_openings, redacted
from groundrule.pipeline.dossiers.seal import Sealed, prove, seal
from groundrule.store.durable import write_durably
from groundrule.store.home import Home


class Kind(StrEnum):
    """What a dossier can be about."""

    TERMINAL = "terminal"
    AREA = "area"
    CHANGE = "change"
    PERSON = "person"
    CONTACT = "contact"
    REQUEST = "request"
    CASE = "case"


class For(StrEnum):
    """For whom it is made; names, places and thresholds are left out accordingly."""

    OPERATOR = "operator"
    REGULATOR = "regulator"
    OWNER = "owner"
    PUBLIC = "public"


def dossier(
    kind: Annotated[Kind, typer.Argument(help="What it is about.")],
    subject: Annotated[str, typer.Argument(metavar="ID", help="Its id; ids of the log may be cut short.")],
    home: HomeOption = DEFAULT_HOME,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; by default `dossier-KIND-ID`.")] = None,
    reader: Annotated[For, typer.Option("--for", help="For whom.")] = For.OPERATOR,
    language: Annotated[str, typer.Option("--language", help="Of the words.")] = "en",
    as_of: Annotated[str | None, typer.Option("--as-of", help="Leave out what was observed after this time.")] = None,
    log: Annotated[bool, typer.Option("--log/--no-log", help="Put the digest of the dossier into the public log.")] = True,
    as_json: OutputJson = False,
) -> None:
    """Write a dossier: a page to read, and one ZIP file with the page, all proofs and the programs that check them.

    It holds names and places: keep it as safe as the home. The log gets a digest, which does not tell whom it is about.
    """
    place = Home.open(home)
    words(language)
    bench = Bench.open(place, now_ns=time.time_ns(), reader=Reader(reader.value))
    whole = compose(bench, SubjectKind(kind.value), subject, as_of_ns=instant_option(as_of, "--as-of"))
    made, openings = redacted(bench, whole)
    proofs = prove(place, made)
    documents = {"dossier.html": page_html(proofs.dossier, language=language)}
    sealed = seal(place, proofs.dossier, proofs, documents, log=log)
    keep_openings(place, sealed.manifest_sha256, openings)
    folder = out or Path(f"dossier-{kind.value}-{_file_name(made.id)}")
    files = _write(folder, sealed, documents)
    if as_json:
        print_json(_as_dict(proofs.dossier, sealed, files))
        return
    _print(proofs.dossier, sealed, files, language)


def _file_name(subject: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", subject)[:40].strip("-.") or "subject"


def _write(folder: Path, sealed: Sealed, documents: dict[str, bytes]) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    files = {name: folder / name for name in (*documents, "dossier.zip")}
    for name, path in files.items():
        write_durably(path, sealed.archive if name == "dossier.zip" else documents[name])
        path.chmod(0o600)
    return files


def _as_dict(made: Dossier, sealed: Sealed, files: dict[str, Path]) -> dict[str, Any]:
    said, names = words("en"), names_in(made)
    return {
        "kind": made.kind.value,
        "id": made.id,
        "summary": [{"standing": each.standing.value, "says": said.say(each.phrase, names)} for each in made.summary],
        "statements": {
            standing: sum(each.standing.value == standing for each in made.statements)
            for standing in ("recorded", "claim", "inference", "unknown")
        },
        "files": {name: str(path) for name, path in files.items()},
        "manifest_sha256": sealed.manifest_sha256,
        "log_entry": sealed.entry,
        "not_proved": list(sealed.trouble),
    }


def _print(made: Dossier, sealed: Sealed, files: dict[str, Path], language: str) -> None:
    said, names = words(language), names_in(made)
    print_text(f"{said('titles', 'subject_' + made.kind.value)} {made.title}", style="bold")
    for each in made.summary:
        print_text(f"  {said('standings', each.standing.value):<10} {said.say(each.phrase, names)}")
    print_text(f"{len(made.statements)} statements; each says whether it is on record, a claim, an inference or not known.")
    if sealed.entry is not None:
        print_text(f"Entry {sealed.entry} of the log names this dossier by digest: {sealed.manifest_sha256}")
    for line in sealed.trouble:
        warn(line)
    for path in files.values():
        print_text(f"Written: {path}")
    print_text(f"Anybody checks it without us: python verify_dossier.py {files['dossier.zip']} --policy FILE")
