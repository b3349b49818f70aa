"""Nothing in the file of a dossier can be changed without both verifiers seeing it, and they agree about every file."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter

import pytest

from console import groundrule
from dossier_mutants import (
    TOOLS,
    TRAVERSAL,
    Bundles,
    by_tool,
    by_us,
    fixed,
    make_bundles,
    members,
    mutants,
    stripped,
    tool,
    verdict_by_tool,
    verdict_by_us,
    written,
)
from groundrule.errors import ProofFailed
from groundrule.evidence.bundle import pack, unpack
from groundrule.evidence.verify_bundle import verify_bundle
from groundrule.ledger.note import ED25519, NoteSigner
from groundrule.signing import SigningKey
from investigated_home import Case, make_case

WANTED = 500


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(report=False)


@pytest.fixture(scope="module")
def made(case: Case) -> Bundles:
    return make_bundles(case, make_case(report=False))


def test_the_bundle_holds_for_both(made: Bundles) -> None:
    for data in (made.data, made.second):
        assert by_tool(tool(), data, made.policy)
        assert by_us(data, made.policy)
        assert pack(unpack(data).files) == data
    assert written(members(made.data)) == made.data, "the form is the one that Python's own library writes"


def test_no_mutation_passes(made: Bundles) -> None:
    module = tool()
    every = dict(mutants(made))
    assert len(every) >= WANTED
    assert len(set(every.values())) >= WANTED
    passed = {name: (by_tool(module, data, made.policy), by_us(data, made.policy)) for name, data in every.items()}
    assert {name for name, verdicts in passed.items() if any(verdicts)} == set()


def test_without_the_readers_keys_both_still_agree(made: Bundles) -> None:
    """Stripped of the manifest's proof, a bundle is checked for being whole; what then passes must pass with both."""
    module, found = tool(), Counter[bool]()
    for name, data in mutants(made, seed=2, flips=10):
        verdicts = by_tool(module, data, None), by_us(data, None)
        assert verdicts[0] == verdicts[1], name
        found[verdicts[0]] += 1
    assert found[True] >= 3, "the question was put with both answers"
    assert found[False] >= WANTED


def test_a_bundle_that_no_log_names_is_whole_and_never_said_to_hold(made: Bundles, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A forged text whose manifest fits is whole, too: both verdicts have another word and exit code than what a log vouches for."""
    files = members(made.data)
    bare = pack(stripped(fixed(files)))
    forged = pack(stripped(fixed(files | {"dossier.html": b"<p>Another page (invented).</p>\n"})))
    for data in (bare, forged):
        for policy in (None, made.policy):
            assert verdict_by_tool(tool(), data, policy) == verdict_by_us(data, policy) == "unvouched"
    folder = tmp_path_factory.mktemp("unvouched")
    (folder / "policy").write_bytes(made.policy)
    for name, data, more, code, said in (
        ("bare", bare, ["--policy", folder / "policy"], 3, "unvouched"), ("forged", forged, [], 3, "unvouched"),
        ("own keys", made.data, [], 3, "unvouched"), ("named", made.data, ["--policy", folder / "policy"], 0, "holds"),
    ):  # fmt: skip
        path = folder / f"{name}.zip"
        path.write_bytes(data)
        ran = subprocess.run([sys.executable, TOOLS / "verify_dossier.py", path, *more], capture_output=True, text=True, check=False)
        ours = groundrule("dossier", "verify", path, *more)
        assert ran.returncode == ours.code == code, (name, ran.stdout, ours)
        assert ran.stdout.startswith("All of it HOLDS." if code == 0 else "WHOLE, BUT UNVOUCHED."), name
        assert "All of it" in ours.out if code == 0 else "Whole, but unvouched." in ours.out
        assert json.loads(groundrule("dossier", "verify", path, *more, "--json").out)["verdict"] == said


def test_a_changed_byte_names_the_file_and_packing_again_is_explained(made: Bundles) -> None:
    place = made.data.index(b"A page (invented)")
    changed = made.data[:place] + b"a" + made.data[place + 1 :]
    packed = written(members(made.data), order=sorted(members(made.data), reverse=True))
    for data, wanted in ((changed, "dossier.html was changed"), (packed, "packed again")):
        with pytest.raises(Exception, match=wanted):
            tool().verify(data, made.policy, {})
        with pytest.raises(ProofFailed, match=wanted.replace("dossier.html", "`dossier.html`")):
            verify_bundle(data, made.policy)


def test_other_keys_and_another_packer_are_not_called_a_change(made: Bundles) -> None:
    """Who checks with the wrong policy, or got an archive that was packed again, is told that and not that somebody changed it."""
    log = next(line for line in made.policy.decode().splitlines() if line.startswith("log "))
    other = NoteSigner(log.split()[1].split("+")[0], ED25519, SigningKey.from_seed("ed25519", bytes([7]) * 32)).verifier
    foreign = f"log {other}\nquorum none\n".encode()
    again = io.BytesIO()
    with zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members(made.data).items():
            archive.writestr(name, data)
    for data, policy, wanted in (
        (made.data, foreign, "not signed by the keys of the policy: this is the wrong policy, or the bundle is a forgery"),
        (again.getvalue(), made.policy, "packed again by another program, so it cannot be checked"),
    ):
        with pytest.raises(Exception, match=wanted):
            tool().verify(data, policy, {})
        with pytest.raises(ProofFailed, match=wanted):
            verify_bundle(data, policy)


def test_a_policy_that_is_the_bundles_own_copy_is_called_that(made: Bundles) -> None:
    own = members(made.data)["log/policy"]
    for policy, same in ((own, True), (b"# from the regulator (invented)\n" + own, False)):
        facts: dict[str, object] = {}
        tool().verify(made.data, policy, facts)
        assert ("the same as the bundle's own copy" in str(facts.get("policy"))) is same
        assert verify_bundle(made.data, policy).same_policy is same


def test_a_proof_renewed_under_a_later_head_of_the_same_log_is_as_good(made: Bundles) -> None:
    assert made.renewed != made.data
    assert by_tool(tool(), made.renewed, made.policy)
    assert by_us(made.renewed, made.policy)


def test_the_commands_say_the_same(made: Bundles, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bundles")
    policy = folder / "policy"
    policy.write_bytes(made.policy)
    some = [("whole", made.data), *list(mutants(made, seed=3, flips=5))[::97]]
    for number, (name, data) in enumerate(some):
        path = folder / f"{number}.zip"
        path.write_bytes(data)
        ran = subprocess.run(
            [sys.executable, TOOLS / "verify_dossier.py", path, "--policy", policy, "--json"], capture_output=True, text=True, check=False
        )
        ours = groundrule("dossier", "verify", path, "--policy", policy, "--json")
        assert ran.returncode == ours.code, (name, ran.stdout, ran.stderr, ours)
        assert (ran.returncode == 0) is (name == "whole"), (name, ran.stdout)
        assert json.loads(ran.stdout)["holds"] is (name == "whole")
        assert "Traceback" not in ran.stderr + ours.err


def test_without_ml_dsa_ed25519_is_checked_and_that_is_said(made: Bundles, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older package knows no ML-DSA: what can be checked is, and what could not is named."""
    tool()
    first = sys.modules["groundrule_verify"]
    monkeypatch.setattr(first, "mldsa", None)
    monkeypatch.setattr(first, "CHECKED", {1, 4})
    module, facts = tool(), {}
    module.verify(made.data, made.policy, facts)
    assert "unvouched" not in facts
    keys = first.parse_policy(made.policy)
    large = any(key.type == 6 for key in [*keys.logs.values(), *(key for _, key in keys.witnesses.values())])
    assert ("not_checked" in facts) is large
    broken = {name: data for name, data in mutants(made, seed=4, flips=20) if "signature 0" in name or "hash" in name}
    assert broken
    assert not [name for name, data in broken.items() if by_tool(module, data, made.policy)]


def test_what_is_missing_is_said_in_words_and_not_in_a_traceback(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("alone")
    (folder / "verify_dossier.py").write_bytes((TOOLS / "verify_dossier.py").read_bytes())
    ran = subprocess.run([sys.executable, folder / "verify_dossier.py", "x.zip"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "pip install 'cryptography>=50'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_where_the_policy_asks_for_no_witness_none_is_said_to_have_signed(made: Bundles) -> None:
    tool()
    first = sys.modules["groundrule_verify"]
    receipt = next(data for name, data in members(made.data).items() if name.startswith("proofs/receipt-"))
    for policy, wanted in (
        (made.policy, "enough witnesses" if b"quorum none" not in made.policy else "asks for no witness"),
        (re.sub(rb"quorum .*\n", b"quorum none\n", made.policy), "asks for no witness"),
    ):
        titles = list(first.receipt_steps(receipt, first.parse_policy(policy), {"fields": {}}))
        assert any(wanted in title for title in titles)


def test_names_that_lead_out_are_many_enough() -> None:
    assert len(TRAVERSAL) >= 40
