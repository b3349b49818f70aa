"""What a reader may not see is nowhere in what that reader gets, and every text that was taken out can be shown later."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import replace
from itertools import product

import pytest

from canaries import leaks
from console import groundrule, refused
from dossier_mutants import by_tool, by_us, members, tool
from groundrule.errors import MissingExtra
from groundrule.evidence.dossier import (
    Dossier,
    LogHead,
    Party,
    Phrase,
    Reader,
    RuleText,
    Section,
    Standing,
    Statement,
    SubjectKind,
)
from groundrule.evidence.dossier_json import dossier_json
from groundrule.evidence.readers import Known
from groundrule.evidence.redact import Opening, digest_of, redact
from groundrule.evidence.render.documents import documents
from groundrule.evidence.render.pdf import page_pdf
from groundrule.evidence.render.words import words
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.dossiers.openings import known_of, redacted
from groundrule.pipeline.dossiers.seal import prove, seal
from investigated_home import (
    ACCOUNT,
    BODIES,
    CLIENT,
    COVERED,
    HOLDER,
    LAT,
    LON,
    MINISTRY,
    PERSONS,
    REGISTERED,
    REPORT_WORDS,
    STATE,
    TERMINAL,
    Case,
    make_case,
)

NAMES = [*(name.removesuffix(" (invented)") for name in PERSONS.values()), *(name.split(" ")[1] for name in PERSONS.values()), CLIENT[:16]]
LIMITS = ("71.25", "68.75", "89.5", "84.5")
_FREE = (REGISTERED[each] for each in ("custodian", "donor", "purpose"))
INTERNAL = ("canary office 73", *REPORT_WORDS, HOLDER, "canary-register-party", *_FREE)
KINDS = range(9)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case()


Made = tuple[Dossier, Dossier, tuple[Opening, ...], dict[str, bytes]]


@pytest.fixture(scope="module")
def made(case: Case) -> dict[tuple[int, Reader], Made]:
    """Every kind of subject for every reader: the whole dossier, what is left, the openings, and all files of the bundle."""
    found = {}
    for (number, (kind, subject)), reader in product(enumerate(case.subjects), Reader):
        bench = case.bench(reader)
        whole = compose(bench, kind, subject)
        left, openings = redacted(bench, whole)
        proofs = prove(case.home, left)
        # Pages take long to draw, and only those of readers who do not see everything are looked through.
        drawn = reader in (Reader.OWNER, Reader.PUBLIC)
        files = dict(documents(proofs.dossier, files=proofs.files, pdf=False).files) if drawn else {"dossier.html": b""}
        sealed = seal(case.home, proofs.dossier, proofs, files, log=False)
        found[number, reader] = (whole, left, openings, {"dossier.zip": sealed.archive, **members(sealed.archive)})
    return found


def public_parts(files: dict[str, bytes]) -> list[bytes]:
    """Everything but the programs, and the names of the files."""
    return [data for name, data in files.items() if not name.endswith(".py")] + ["\n".join(files).encode()]


def private_to(reader: Reader, *, own: bool) -> list[str]:
    texts = [*NAMES, *INTERNAL, *(party for party in BODIES if reader is Reader.PUBLIC and party != "")]
    if reader is Reader.PUBLIC:
        texts += [name.removesuffix(" (invented)") for name in BODIES.values()]
    if not own:
        texts += [TERMINAL, ACCOUNT, REGISTERED["kit_number"]]
    return texts


@pytest.mark.parametrize("number", KINDS)
@pytest.mark.parametrize("reader", [Reader.OWNER, Reader.PUBLIC])
def test_no_canary_is_anywhere_in_the_bundle(case: Case, made: dict[tuple[int, Reader], Made], number: int, reader: Reader) -> None:
    kind, _ = case.subjects[number]
    own = reader is Reader.OWNER and kind is SubjectKind.TERMINAL
    files = made[number, reader][3]
    # Ids of parties stand in the log where their roles are public; the dossier itself must not repeat them.
    in_log = set(BODIES) | {COVERED}
    texts = [text for text in private_to(reader, own=own) if text not in in_log]
    parts = public_parts(files)
    assert leaks(parts, texts=[text for text in texts if len(text) >= 8]) == []
    if not own:
        assert leaks(parts, places=[(LAT, LON)]) == []
    # A drawing has numbers of its own.
    said = files["dossier.json"] + re.sub(rb"<svg.*?</svg>|<style.*?</style>", b"", files["dossier.html"], flags=re.DOTALL)
    for limit in (*LIMITS, *(f"{speed} km/h" for speed in (97, 83))):
        assert limit.encode() not in said, limit
    for party in PERSONS:
        assert party.encode() not in said


@pytest.mark.parametrize(("number", "reader"), [(0, Reader.PUBLIC), (8, Reader.OWNER)])
def test_no_canary_is_on_paper(case: Case, made: dict[tuple[int, Reader], Made], number: int, reader: Reader) -> None:
    """Text, titles, bookmarks and alternative texts of the PDF; its other bytes are compressed, and come from the same page."""
    pypdf = pytest.importorskip("pypdf")
    try:
        paper = pypdf.PdfReader(io.BytesIO(page_pdf(made[number, reader][3]["dossier.html"])))
    except MissingExtra as absent:
        pytest.skip(absent.message)
    objects = [paper.get_object(pypdf.generic.IndirectObject(n, 0, paper)) for n in range(1, paper.trailer["/Size"])]
    written = ["".join(page.extract_text() for page in paper.pages), str(paper.metadata), str(paper.xmp_metadata)]
    written += [str(each) for each in objects if isinstance(each, dict) and "/Length" not in each]
    parts = [re.sub(r"\s+", "", each).encode("utf-8", "surrogatepass") for each in written]
    own = reader is Reader.OWNER and case.subjects[number][0] is SubjectKind.TERMINAL
    hidden = [re.sub(r"\s+", "", each) for each in private_to(reader, own=own) if each not in {*BODIES, COVERED}]
    assert leaks(parts, texts=[each for each in hidden if len(each) >= 8]) == []
    shown = b"".join(parts[:1])
    for limit in LIMITS:
        assert limit.encode() not in shown, limit
    assert words("en")("titles", "summary").replace(" ", "").encode() in shown


def test_the_canaries_are_there_for_the_operator(made: dict[tuple[int, Reader], Made]) -> None:
    """Otherwise the test above would look for what was never there."""
    said = b"".join(data for number in KINDS for data in public_parts(made[number, Reader.OPERATOR][3]))
    for text in (*private_to(Reader.PUBLIC, own=False), *LIMITS[:2], "97"):
        if not text.startswith(("Canaria", "Surname", "party-")):
            assert text.encode() in said, text
    assert sum(name.encode() in said for name in NAMES) >= 8


@pytest.mark.parametrize("number", KINDS)
@pytest.mark.parametrize("reader", list(Reader))
def test_every_redaction_opens_and_nothing_goes_without_one(made: dict[tuple[int, Reader], Made], number: int, reader: Reader) -> None:
    whole, left, openings, files = made[number, reader]
    assert [each.sha256 for each in left.redactions] == [each.sha256 for each in openings]
    assert all(each.holds and len(bytes.fromhex(each.salt)) == 32 for each in openings)
    assert len({each.salt for each in openings}) == len(openings)
    listed = json.loads(files["dossier.json"])["redactions"]
    assert {(each["what"], each["where"], each["sha256"]) for each in listed} == {(o.what, o.where, o.sha256) for o in openings}
    if reader in (Reader.OPERATOR, Reader.REGULATOR):
        assert openings == ()
        assert left == replace(whole, reader=reader)
        return
    taken = "\n".join(each.text for each in openings)
    for party in whole.parties:
        kept = {each.name for each in left.parties}
        assert not party.name or party.name in kept or party.name in taken, "a name is either there or in an opening"
    gone = dossier_json(whole)
    for text in (TERMINAL, *REPORT_WORDS, "canary office 73"):
        if text.encode() in gone and text.encode() not in files["dossier.json"]:
            assert text in taken, text
    for each in left.statements:
        if any(held == "…" for held in each.phrase.values.values()):
            assert "redacted" in each.flags


@pytest.mark.parametrize("number", KINDS)
@pytest.mark.parametrize("reader", list(Reader))
def test_what_is_left_is_a_sound_dossier(made: dict[tuple[int, Reader], Made], number: int, reader: Reader) -> None:
    _, left, _, files = made[number, reader]
    ids = [each.id for each in left.statements]
    assert ids == [f"s{n}" for n in range(1, len(ids) + 1)], "no gap tells how many are missing"
    assert {statement for party in left.parties for _, statement in party.parts} <= set(ids)
    said = words("en")
    names = {party.ref: party.name or party.ref for party in left.parties}
    for each in (*left.summary, *left.statements):
        assert said.say(each.phrase, names)
        assert each.sources or each.standing in (Standing.UNKNOWN, Standing.INFERENCE)
    for key, standing in (("sum_claim", Standing.CLAIM), ("sum_unknown", Standing.UNKNOWN)):
        counted = [each.phrase.values["number"] for each in left.summary if each.phrase.key == key]
        number_of = sum(each.standing is standing for each in left.statements)
        assert counted == ([number_of] if number_of else [])
    assert by_tool(tool(), files["dossier.zip"], None)
    assert by_us(files["dossier.zip"], None)


@pytest.mark.parametrize("reader", [Reader.OWNER, Reader.PUBLIC])
def test_whether_anything_is_alleged_is_not_told(case: Case, made: dict[tuple[int, Reader], Made], reader: Reader) -> None:
    """The same home without the allegation gives the same dossier, but for salts and digests."""
    for number, (kind, subject) in enumerate(case.subjects):
        whole, left, _, _ = made[number, reader]
        if subject == case.ids["allegation"]:
            continue
        about = [each for each in left.redactions if each.what == "allegations"]
        assert len(about) == 1
        assert case.ids["allegation"].encode() not in dossier_json(left)
        bench = case.bench(reader)
        clean = without_allegations(compose(bench, kind, subject), case)
        again, _ = redact(clean, reader, lambda: os.urandom(32), known=known_of(bench, whole))
        assert shape(again) == shape(left), (kind, subject)


def without_allegations(whole: Dossier, case: Case) -> Dossier:
    """What the composer would have made had nobody told of the contact and no report been imported."""
    contact = case.ids["allegation"]

    def bears(each: Statement) -> bool:
        refs = {*each.about, *each.phrase.values.values(), *(source.ref for source in each.sources)}
        return contact in refs or bool(refs & entries)

    entries = {source.ref for each in whole.statements if contact in each.about and each.phrase.key.startswith("contact_basis")
               for source in each.sources}  # fmt: skip
    sections, gone = [], set()
    for section in whole.sections:
        rows = tuple(each for each in section.statements if section.key != "reports" and not bears(each)
                     and each.phrase.values.get("why") != "code:excluded_contact")  # fmt: skip
        gone |= {each.id for each in section.statements} - {each.id for each in rows}
        if rows:
            sections.append(replace(section, statements=rows))
    parties = tuple(
        replace(party, parts=rest) for party in whole.parties if (rest := tuple(each for each in party.parts if each[1] not in gone))
    )
    summary = tuple(each for each in whole.summary if not bears(each))
    return replace(whole, sections=tuple(sections), parties=parties, summary=summary, reports=())


def shape(made: Dossier) -> object:
    text = dossier_json(replace(made, made_at_ns=0, redactions=())).decode()
    return re.sub(r'"log":\{[^}]*\}', "", text), [(each.what, each.where, each.reason) for each in made.redactions]


def test_the_public_dossier_of_an_allegation_says_what_its_entry_says_and_no_more(case: Case, made: dict[tuple[int, Reader], Made]) -> None:
    number = next(n for n, (_, subject) in enumerate(case.subjects) if subject == case.ids["allegation"])
    _, left, _, _ = made[number, Reader.PUBLIC]
    assert {section.key for section in left.sections} <= {"contacts", "reviews", "findings", "unknown"}
    told = next(each for each in left.statements if each.phrase.key == "contact_basis_press")
    assert [told.phrase.values[name] for name in ("who", "other", "teller")] == ["…"] * 3
    assert (left.parties, left.rules, left.reports) == ((), (), ())
    _, owner, _, _ = made[number, Reader.OWNER]
    assert owner.sections == ()


def test_an_owner_reads_the_own_answers(made: dict[tuple[int, Reader], Made]) -> None:
    _, left, _, files = made[0, Reader.OWNER]
    keys = {each.phrase.key for each in left.statements}
    assert {"answered_later", "why_answer", "why_basis", "why_appeal", "terminal_registered", "proposal_made", "enactment_made"} <= keys
    assert not keys & {"why_finding", "why_not_denied", "why_relief", "contact_basis_press", "party_registered"}
    assert left.track
    assert all(row.terminal_id == TERMINAL and row.rule == "" for row in left.decisions)
    assert {rule.text for rule in left.rules} == {""}
    assert all(rule.basis for rule in left.rules)
    assert any(name.startswith("proofs/receipt-") for name in files)
    offices = {party.name for party in left.parties if party.kind == "natural_person" and party.office}
    assert offices == {"unit (invented)"}
    assert {party.name for party in left.parties if party.kind == "legal_entity"} <= set(BODIES.values())
    receipts = b"".join(data for name, data in files.items() if name.startswith("proofs/receipt-"))
    assert leaks([receipts], texts=["speed_kmh", "altitude_m", "inputs_sha256"]) == []


def test_the_public_gets_areas_and_counts_and_no_trace(made: dict[tuple[int, Reader], Made]) -> None:
    _, left, _, files = made[0, Reader.PUBLIC]
    assert (left.track, left.ellipses, left.id, left.title) == ((), (), "withheld", "…")
    assert not any(name.startswith("proofs/receipt-") for name in files)
    assert {area for row in left.decisions for area in row.areas} >= {"country:AT"}
    assert {row.first_ns % 86_400_000_000_000 for row in left.decisions} == {0}
    assert sum(row.count for row in left.decisions) == 20
    assert {area.wkb for area in left.areas} <= {b""}
    named = {party.name for party in left.parties if party.kind != "natural_person" and party.name}
    assert named == {STATE}, "who has a public role is named"
    assert MINISTRY in {party.ref for party in left.parties}
    assert b'"request-' in files["dossier.json"]


@pytest.mark.parametrize(
    ("basis", "kept"),
    [
        ("Order 12/2026 of the ministry (invented)", True), ("Regulation (EU) 2021/821, article 4", True),
        ("nothing faster than 75 km/h, as the ministry wants", False), ("after 30 s above it", False), ("within 5 km of the front", False),
        ("не швидше 75 км/год", False), ("mehr als 2 Stunden", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reader", [Reader.OWNER, Reader.PUBLIC])
def test_a_limit_beside_a_rule_is_withheld_and_a_law_is_not(basis: str, reader: Reader, *, kept: bool) -> None:
    said = (Statement("s1", Standing.RECORDED, Phrase("why_basis", {"basis": basis})),)
    rule = RuleText("sha256:" + "1" * 64, "r", "Title", "text", basis, "", None, None)
    whole = Dossier(SubjectKind.TERMINAL, "t-9", "t-9", 1, reader, "home", LogHead(), (), (Section("why", said),), rules=(rule,))
    left, openings = redact(whole, reader, lambda: os.urandom(32))
    assert (left.statements[0].phrase.values["basis"] == basis) is kept
    assert (left.rules[0].basis == basis) is kept
    assert kept or any(each.text == basis for each in openings)


def test_the_class_of_protection_is_for_the_owner_and_a_silence_is_not_for_the_public() -> None:
    said = (
        Statement("s1", Standing.INFERENCE, Phrase("own_protected", {"class": "hospital", "outcome": "code:deny", "rule": "fast"})),
        Statement("s2", Standing.INFERENCE, Phrase("nothing_observed", {"hours": 35, "since": "2026-11-21T01:33:04Z"})),
    )
    whole = Dossier(SubjectKind.TERMINAL, "t-9", "t-9", 1, Reader.OWNER, "home", LogHead(), (), (Section("findings", said),))
    owner, public = (redact(whole, reader, lambda: os.urandom(32))[0] for reader in (Reader.OWNER, Reader.PUBLIC))
    assert [dict(each.phrase.values) for each in owner.statements] == [
        {"class": "hospital", "outcome": "code:deny", "rule": "…"}, {"hours": 35, "since": "2026-11-21T01:33:04Z"},
    ]  # fmt: skip
    assert [each.phrase.key for each in public.statements] == ["own_protected"]
    assert public.statements[0].phrase.values["class"] == "…"


def test_an_entry_that_tells_is_not_put_in(case: Case, made: dict[tuple[int, Reader], Made]) -> None:
    """The request names the terminal in the log: for the public neither its proof nor its place in the log is given."""
    index = case.bench().state.requests[case.ids["request"]].index
    assert f"proofs/entry-{index}.json" in made[0, Reader.OPERATOR][3]
    files = made[0, Reader.PUBLIC][3]
    assert f"proofs/entry-{index}.json" not in files
    assert f'"entry:{index}"'.encode() not in files["dossier.json"]
    assert any(name.startswith("proofs/entry-") for name in files), "the others are"


def test_a_regulator_does_not_see_what_is_still_sealed(case: Case) -> None:
    whole = compose(case.bench(Reader.REGULATOR), SubjectKind.TERMINAL, TERMINAL)
    known = Known(sealed={"too-fast": "Q29tbWl0bWVudA==", "country:AT": "QXJlYQ=="})
    left, openings = redact(whole, Reader.REGULATOR, lambda: os.urandom(32), known=known)
    said = dossier_json(replace(left, redactions=()))
    for text in ("71.25", "too-fast", "Over Aland nothing faster", "country:AT", "Aland (invented)"):
        assert text.encode() not in said.replace(b"Sea of Aland", b""), text
    assert b"sealed:Q29tbWl0bWVudA==" in said
    assert all(each.holds for each in openings)
    assert any("71.25" in each.text for each in openings)
    owner, _ = redact(whole, Reader.OWNER, lambda: os.urandom(32), known=known)
    assert b"country:AT" not in dossier_json(replace(owner, redactions=()))


def test_a_seal_of_the_home_is_found_and_an_opened_one_is_not(case: Case) -> None:
    rule = case.home.path.parent / "rule.json"
    rule.write_text('{"id": "too-fast", "title": "sealed (invented)"}', encoding="utf-8")
    days = "2026-12-31T00:00:00Z"
    done = groundrule("ledger", "seal", rule, "--home", case.home.path, "--kind", "rule (invented)", "--custodian", "notary (invented)",
                      "--disclose-by", days, "--json")  # fmt: skip
    if done.code == 2:
        pytest.skip(f"the command reads otherwise: {done.err}")
    assert "too-fast" in known_of(case.bench(Reader.REGULATOR), compose(case.bench(), SubjectKind.TERMINAL, TERMINAL)).sealed


def test_free_texts_of_the_log_that_name_somebody_are_withheld() -> None:
    party = Party("party-" + "1" * 32, "Ada Canary (invented)", "natural_person", (("author", "s1"),), "network (invented)")
    texts = ["asked by Ada Canary", "for Canary's craft", "terminal/ut-9 is fast", "account:acc-1", f"see {party.ref}", "harmless"]
    statements = tuple(
        Statement(f"s{n}", Standing.RECORDED, Phrase("proposal_reason", {"reason": text}), about=(party.ref,))
        for n, text in enumerate(texts, 1)
    )
    dossier = Dossier(SubjectKind.CHANGE, "c" * 64, "c" * 16, 1, Reader.PUBLIC, "home", LogHead(), (), (Section("decided", statements),),
                      parties=(party,))  # fmt: skip
    left, openings = redact(dossier, Reader.PUBLIC, lambda: os.urandom(32))
    assert [each.phrase.values["reason"] for each in left.statements] == ["…"] * 5 + ["harmless"]
    assert {each.text for each in openings} >= set(texts[:5])
    assert all(each.about == ("withheld-1",) for each in left.statements)


def test_a_sentence_that_nobody_thought_of_is_closed() -> None:
    statement = Statement("s1", Standing.RECORDED, Phrase("added_later", {"number": 3, "what": "code:serve", "secret": "a text"}))
    dossier = Dossier(SubjectKind.AREA, "a", "a", 1, Reader.PUBLIC, "home", LogHead(), (), (Section("findings", (statement,)),))
    left, _ = redact(dossier, Reader.PUBLIC, lambda: os.urandom(32))
    assert dict(left.statements[0].phrase.values) == {"number": 3, "what": "code:serve", "secret": "…"}


def test_digests_do_not_tell_what_was_withheld() -> None:
    assert digest_of(b"1" * 32, "text") != digest_of(b"2" * 32, "text")
    assert not Opening(digest_of(b"1" * 32, "text"), (b"1" * 32).hex(), "other", "text", "s1").holds


# --- by command -------------------------------------------------------------------------------------------------------


def test_the_operator_shows_later_what_was_left_out(case: Case) -> None:
    out, home = case.home.path.parent / "public", case.home.path
    done = groundrule("dossier", "terminal", TERMINAL, "--for", "public", "--home", home, "--out", out, "--no-log", "--json")
    assert done.code == 0, done
    told = done.json
    assert told["id"] == "withheld"
    [kept] = [path for path in (home / "dossiers").iterdir() if path.stem == told["manifest_sha256"]]
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    archive = members((out / "dossier.zip").read_bytes())
    redactions = json.loads(archive["dossier.json"])["redactions"]
    title = next(each for each in redactions if each["what"] == "subject")
    [opened] = groundrule("dossier", "open", title["sha256"][:12], "--home", home, "--json").json
    assert TERMINAL in opened["text"]
    assert opened["manifest_sha256"] == told["manifest_sha256"]
    # Whoever is given salt and text needs no home.
    assert groundrule("dossier", "open", title["sha256"], "--salt", opened["salt"], "--text", opened["text"]).code == 0
    assert groundrule("dossier", "open", title["sha256"], "--salt", opened["salt"], "--text", "another").code == 1
    assert groundrule("dossier", "open", title["sha256"], "--home", home, "--text", opened["text"], "--json").json == {"same": True}
    assert groundrule("dossier", "open", title["sha256"], "--home", home, "--text", "another").code == 1
    refused(groundrule("dossier", "open", "0" * 64, "--home", home), "nothing was withheld here")
    refused(groundrule("dossier", "open", "not hex", "--home", home), "no digest of a redaction")
    refused(groundrule("dossier", "open", title["sha256"], "--salt", "xyz", "--text", "t"), "not in hexadecimal")
    kept.write_bytes(kept.read_bytes().replace(TERMINAL.encode(), b"another-craft"))
    assert groundrule("dossier", "open", title["sha256"], "--home", home).code == 1
