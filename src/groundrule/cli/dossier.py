"""`groundrule dossier`: everything that bears on one subject, in one file that a stranger reads and checks without us."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError
from groundrule.evidence.bundle import read_bounded, unpack
from groundrule.evidence.dossier import Dossier, Reader, SubjectKind
from groundrule.evidence.dossier_json import plain
from groundrule.evidence.histories import ONE_HISTORY, TWO_HISTORIES, Compared, compare
from groundrule.evidence.redact import digest_of
from groundrule.evidence.render.words import names_in, visible, words
from groundrule.evidence.verify_bundle import Verified, verify_bundle
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.issue import issue
from groundrule.pipeline.dossiers.openings import find_openings
from groundrule.pipeline.dossiers.seal import Sealed
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Everything on record about one subject, in one file that a stranger reads and checks.")
UNVOUCHED = 3
"""Exit code of `verify` for a bundle that is whole, and for which nobody vouches."""
_ABOUT = {
    SubjectKind.TERMINAL: "a terminal: what it was answered and why, under which rules, and who stands behind them",
    SubjectKind.AREA: "an area: what was asked and changed there",
    SubjectKind.CHANGE: "a proposal: who asked, proposed, signed, and what it changed",
    SubjectKind.PERSON: "a person or body: every act and contact",
    SubjectKind.CONTACT: "a contact: who tells of it, and what was decided meanwhile",
    SubjectKind.REQUEST: "a request: who asked, and what became of it",
    SubjectKind.CASE: "a case",
}


class For(StrEnum):
    """For whom it is made; names, places and thresholds are left out accordingly."""

    OPERATOR = "operator"
    REGULATOR = "regulator"
    OWNER = "owner"
    PUBLIC = "public"


def _command(kind: SubjectKind) -> Callable[..., None]:
    """The command that makes the dossiers of one kind of subject."""

    def dossier(
        subject: Annotated[str, typer.Argument(metavar="ID", help="Its id; ids of the log may be cut short.")],
        home: HomeOption = DEFAULT_HOME,
        out: Annotated[Path | None, typer.Option("--out", help="Folder; by default `dossier-KIND-ID`.")] = None,
        reader: Annotated[For, typer.Option("--for", help="For whom.")] = For.OPERATOR,
        language: Annotated[str, typer.Option("--language", help="Of the words: en, de or uk.")] = "en",
        as_of: Annotated[str | None, typer.Option("--as-of", help="Leave out what was observed after this time.")] = None,
        log: Annotated[bool, typer.Option("--log/--no-log", help="Put the digest of the dossier into the public log.")] = True,
        pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Make dossier.pdf too.")] = True,
        as_json: OutputJson = False,
    ) -> None:
        _make(kind, subject, home, out, reader, language, as_of, log=log, pdf=pdf, as_json=as_json)

    dossier.__doc__ = f"""Write the dossier of {_ABOUT[kind]}.

    A page to read, and one ZIP file with the page, all proofs and the programs that check them. For a reader who may not see
    everything, digests of what was left out stay in it. It holds names and places: keep it as safe as the home. The log gets a
    digest, which does not tell whom it is about.
    """
    return dossier


for _kind in _ABOUT:
    app.command(name=_kind.value)(_command(_kind))


def _make(
    kind: SubjectKind, subject: str, home: Path, out: Path | None, reader: For, language: str, as_of: str | None,
    *, log: bool, pdf: bool, as_json: bool,
) -> None:  # fmt: skip
    place = Home.open(home)
    words(language)
    bench = Bench.open(place, now_ns=time.time_ns(), reader=Reader(reader.value))
    made = issue(bench, kind, subject, as_of_ns=instant_option(as_of, "--as-of"), language=language, log=log, pdf=pdf)
    folder = out or Path(f"dossier-{kind.value}-{_file_name(made.dossier.id)}")
    files = _write(folder, made.files)
    for line in made.documents.missing:
        warn(line)
    if as_json:
        print_json(_as_dict(made.dossier, made.sealed, files))
        return
    _print(made.dossier, made.sealed, files, language)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The ZIP file of a dossier.")],
    policy: Annotated[Path | None, typer.Option("--policy", help="The keys that you trust; otherwise those in the file itself.")] = None,
    other: Annotated[Path | None, typer.Option("--with", help="Another dossier of the same log, to hold against it.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Check a dossier: nothing was changed, the log names it, and every entry and receipt is in the log.

    Nothing is unpacked. Exit code 0: it holds, by keys that you gave with --policy. 3: whole, but unvouched: no log names it, or the keys
    are its own, so whoever made it could have written anything. 1: it was changed.

    With --with, both are checked and held against each other. A log grows: another number of entries and another root alone prove
    nothing. Both show one history (0), or two that exclude each other, so that the log was forged (1), or too little to tell (3).
    """
    keys = None if policy is None else read_bounded(policy)
    data = read_bounded(file)
    found = verify_bundle(data, keys)
    # Both by the same keys: two logs of other keys would prove nothing against each other.
    second = None if other is None else verify_bundle(read_bounded(other), keys or unpack(data).files.get("log/policy"))
    compared = None if second is None else compare(found.history, second.history)
    if as_json:
        told = {} if compared is None else {"with": _named(second), "history": compared.verdict, "history_why": compared.why}
        print_json({"holds": found.vouched, "verdict": "holds" if found.vouched else "unvouched", **_named(found), **told})
    else:
        _print_verified(found)
        if second is not None and compared is not None:
            _print_compared(second, compared)
    if compared is not None and compared.verdict == TWO_HISTORIES:
        raise typer.Exit(1)
    # By which keys the second was checked is said of the first.
    if not found.vouched or (second is not None and second.manifest_entry is None) or (compared and compared.verdict != ONE_HISTORY):
        raise typer.Exit(UNVOUCHED)


def _named(found: Verified | None) -> dict[str, Any]:
    """What was verified, without the hashes of the log."""
    return {} if found is None else plain(replace(found, history=None))


def _print_compared(second: Verified, compared: Compared) -> None:
    title = {ONE_HISTORY: "One history.", TWO_HISTORIES: "Two histories: a log was forged."}.get(compared.verdict, "Not shown.")
    print_text(title, style="bold")
    print_text(f"The other is about {second.subject['kind']} {visible(str(second.subject['id']))}, made {second.made_at}: {compared.why}.")
    if compared.verdict == ONE_HISTORY:
        print_text("Whoever holds these two was shown one log; not that it is true or complete, or what others were shown.")
    elif compared.verdict == TWO_HISTORIES:
        warn("The keys of this log signed both; which of them is forged is not told: ask others for their heads.")
    else:
        warn("That proves nothing, in either direction: hold both heads (log/checkpoint) against a copy of the log.")
    if second.manifest_entry is None:
        warn("No entry of a log names the other: whoever made it could have written the text.")


def _print_verified(found: Verified) -> None:
    print_text("All of it holds." if found.vouched else "Whole, but unvouched.", style="bold")
    if found.same_policy:
        warn("The policy is the same as the bundle's own copy: it counts only if you got it from elsewhere.")
    if found.vouched:
        print_text("Nothing was changed since the log named it; that does not mean that it is true or complete.")
    kind, subject = found.subject["kind"], visible(str(found.subject["id"]))
    print_text(f"About {kind} {subject}, for {found.reader}, made {found.made_at}; {found.files} files.")
    if found.manifest_entry is None:
        warn("No entry of a log names it: whoever made it could have written the text.")
    else:
        print_text(f"Entry {found.manifest_entry} of the log (counted from 0) names it, {found.logged_at}.")
    opened = f"; {found.openings} commitments are opened" if found.openings else ""
    print_text(f"{len(found.entries)} entries and {len(found.receipts)} receipts lead to the log{opened}.")
    if not found.own_policy:
        warn("The keys are those in the file: get the policy from elsewhere, and give it with --policy.")


@app.command(name="open")
def open_redaction(
    redaction: Annotated[str, typer.Argument(metavar="DIGEST", help="Digest of a redaction, as the dossier lists it.")],
    home: HomeOption = DEFAULT_HOME,
    salt: Annotated[str | None, typer.Option("--salt", help="Salt that the operator gave [hexadecimal]; needs --text and no home.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Text that is said to be the one left out.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Show what was left out of a dossier, or whether a given text is what was left out.

    The operator's home keeps salt and text of every redaction. Whoever is given both checks them with --salt and --text against the
    digest in the dossier, without a home.
    """
    if salt is not None:
        if text is None or re.fullmatch("(?:[0-9a-f]{2})+", salt) is None or re.fullmatch("[0-9a-f]{64}", redaction) is None:
            help_ = "give the whole digest, and --salt and --text as they were given to you"
            raise InputError("a salt without a text, or not in hexadecimal", help=help_)
        _answer(digest_of(bytes.fromhex(salt), text) == redaction, as_json=as_json)
        return
    found = find_openings(Home.open(home), redaction)
    if text is not None:
        _answer(any(each.text == text for _, each in found), as_json=as_json)
        return
    if as_json:
        print_json([{"manifest_sha256": manifest, **plain(each)} for manifest, each in found])
        return
    for manifest, each in found:
        print_text(f"Left out of the dossier {manifest[:16]}… ({each.what}, {each.where}):", style="bold")
        print_text(visible(each.text))
        print_text(f"salt {each.salt}")


def _answer(same: bool, *, as_json: bool) -> None:
    if as_json:
        print_json({"same": same})
    else:
        print_text("This is the text that was left out." if same else "This is NOT the text that was left out.")
    if not same:
        raise typer.Exit(1)


def _file_name(subject: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", subject)[:40].strip("-.") or "subject"


def _write(folder: Path, written: Mapping[str, bytes]) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    files = {name: folder / name for name in written}
    for name, path in files.items():
        write_durably(path, written[name])
        path.chmod(0o600)
    return files


def _as_dict(made: Dossier, sealed: Sealed, files: dict[str, Path]) -> dict[str, Any]:
    said = words("en")
    names = names_in(made, said)
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
    said = words(language)
    names = names_in(made, said)
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
    if not made.in_log:
        warn("No entry of a log names this bundle: a check says WHOLE, BUT UNVOUCHED at best.")
