"""Policies: which files are read, which witnesses make a quorum, and what time a quorum proves."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_signers import ORIGIN, checkpoint_of, cosigned, log_signers, outcome, signer, witness

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.checkpoint import sign_checkpoint
from groundrule.ledger.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, Note
from groundrule.ledger.policy import CheckedCheckpoint, Policy, existed_before, not_before

LOGS = "".join(f"log {each.verifier}\n" for each in log_signers())
WITNESSES = "".join(f"witness W{number} {witness(number).verifier}\n" for number in range(5))
HEAD = LOGS + WITNESSES


def parsed(tail: str) -> Policy:
    return Policy.parse(HEAD + tail)


TWO_OF_THREE = parsed("group g 2 W0 W1 W2\nquorum g\n")


# Files.


def test_what_a_policy_holds() -> None:
    policy = Policy.parse(f"log {log_signers()[0].verifier} https://{ORIGIN}\n" + WITNESSES + "quorum none\n")
    assert policy.logs[0].url == f"https://{ORIGIN}"
    assert policy.log_keys == (log_signers()[0].verifier,)
    assert list(policy.witnesses) == ["W0", "W1", "W2", "W3", "W4"]
    assert (policy.witnesses["W1"].key, policy.witnesses["W1"].url) == (witness(1).verifier, None)
    assert policy.quorum is None


def test_comments_tabs_and_empty_lines() -> None:
    spaced = (
        HEAD.replace("witness ", "\twitness \t ") + "\n  \t\n  # ä comment\n#\n \tgroup\tg  all\tW0 W1 \nquorum  g\t\n"
    )
    assert Policy.parse(spaced) == parsed("group g 2 W0 W1\nquorum g\n")
    assert Policy.parse(spaced.encode()) == Policy.parse(spaced)


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "quorum W0",  # cut off
        "quorum W0 ",
        "quorum\n",
        "quorum W0 W1\n",
        "quorum W9\n",
        "quorum W0\nquorum W0\n",
        "quorum none\nquorum none\n",
        "quorum g\ngroup g any W0\n",
        "group g 0 W0\nquorum g\n",
        "group g 3 W0 W1\nquorum g\n",
        "group g 01 W0 W1\nquorum g\n",
        "group g +1 W0 W1\nquorum g\n",
        "group g 1_0 W0 W1\nquorum g\n",
        "group g ١ W0 W1\nquorum g\n",
        "group g -1 W0\nquorum g\n",
        "group g ANY W0\nquorum g\n",
        "group g any\nquorum g\n",
        "group g any W9\nquorum g\n",
        "group g any g\nquorum g\n",
        "group g any W0 W0\nquorum g\n",
        "group g any none\nquorum g\n",
        "group none any W0\nquorum none\n",
        "group W0 any W1\nquorum W0\n",
        "group a any W0\ngroup a any W1\nquorum a\n",
        "group a any W0\ngroup b any W0\nquorum b\n",
        "group a any b\ngroup b any W0\nquorum a\n",
        "group a any W0\ngroup b any a\ngroup c any a b\nquorum c\n",
        "Quorum none\n",
        "quorum none # because\n",
        "log\nquorum none\n",
        "witness W5\nquorum none\n",
        f"witness none {witness(7).verifier}\nquorum none\n",
        f"witness W0 {witness(7).verifier}\nquorum none\n",
        f"witness W7 {witness(0).verifier}\nquorum none\n",
        f"witness W7 {witness(7).verifier} https://a https://b\nquorum none\n",
        f"witness W7 {witness(7).verifier}x\nquorum none\n",
        f"log {log_signers()[0].verifier}\nquorum none\n",
        f"log {witness(7).verifier}\nquorum none\n",  # a witness key is no log key
        f"witness W7 {signer('w7.example', ED25519).verifier}\nquorum none\n",  # and the other way round
        "frob x\nquorum none\n",
        "quorum none\r\n",
        "# \x00\nquorum none\n",
        "# \x7f\nquorum none\n",
        "# \x0b\nquorum none\n",
        "quorum\x0bnone\n",
        "quorum\u00a0none\n",  # only spaces and tabs separate
    ],
)
def test_malformed_policies(tail: str) -> None:
    assert outcome(parsed, tail) is InputError


def test_errors_name_the_line() -> None:
    with pytest.raises(InputError, match="line 9 of the policy") as caught:
        parsed("# fine\ngroup g any W9\nquorum g\n")
    assert caught.value.context["line"] == 9


def test_one_public_key_is_one_witness_and_one_log() -> None:
    shared = witness(0).key
    renamed = type(witness(0))("renamed.invented.example", COSIGNATURE_ED25519, shared).verifier
    assert outcome(parsed, f"witness W7 {renamed}\nquorum none\n") is InputError
    log = type(witness(0))("other.invented.example", ED25519, log_signers()[0].key).verifier
    assert outcome(parsed, f"log {log}\nquorum none\n") is InputError
    itself = type(witness(0))(ORIGIN, COSIGNATURE_ML_DSA_44, log_signers()[1].key).verifier
    with pytest.raises(InputError, match="witness itself"):
        parsed(f"witness W7 {itself}\nquorum none\n")


def test_names_are_octets() -> None:
    # K and the Kelvin sign, and octets that are no UTF-8, are all different names.
    lines = [
        b"witness %b %b\n" % (name, witness(number).verifier.format().encode())
        for number, name in enumerate((b"K", "\u212a".encode(), b"\xff", b"\xfe", "a\u00a0b".encode()))
    ]
    data = LOGS.encode() + b"".join(lines) + b"group g 2 \xff \xfe\nquorum g\n"
    policy = Policy.parse(data)
    names = list(policy.witnesses)
    assert len(set(names)) == 5
    assert policy.satisfied_by(names[2:4])
    assert not policy.satisfied_by(names[:2])
    assert Policy.parse(data.decode("utf-8", "surrogateescape")) == policy
    with pytest.raises(ProofFailed) as caught:
        policy.require(cosigned(checkpoint_of(), [(witness(2), 5)]))
    str(caught.value).encode()  # can be printed anywhere


def test_sizes_of_policies() -> None:
    lines, names = [], []
    for number in range(32):
        lines.append(f"log {signer(f'log{number}.example', ED25519).verifier}\n")
        lines.append(f"witness w{number} {witness(number).verifier}\n")
    for number in range(32):
        names.append(f"g{number}")
        lines.append(f"group g{number} all w{number}" + (f" g{number - 1}" if number else "") + "\n")
    policy = Policy.parse("".join(lines) + "quorum g31\n")
    everyone = [f"w{number}" for number in range(32)]
    assert policy.satisfied_by(everyone)
    assert not policy.satisfied_by(everyone[1:])
    assert outcome(Policy.parse, "#" * 1_000_000 + "\nquorum none\n") is InputError
    many = "".join(f"group g{number} any {'W0' if number == 0 else f'g{number - 1}'}\n" for number in range(1025))
    assert outcome(parsed, many + "quorum none\n") is InputError


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    for each in (data, data + b"\n", HEAD.encode() + data + b"\nquorum none\n"):
        result = outcome(Policy.parse, each)
        assert result is InputError or isinstance(result, Policy)


# Quorums.


def test_the_usual_policy() -> None:
    witnesses = [(f"W{number}", str(witness(number).verifier), None if number else "https://w0") for number in range(3)]
    vkeys = [str(key) for key in TWO_OF_THREE.log_keys]
    policy = Policy.parse(Policy.format_simple(vkeys, witnesses, 2))
    assert policy.witnesses["W0"].url == "https://w0"
    assert [policy.satisfied_by(names) for names in ([], ["W0"], ["W0", "W2"], ["W0", "W1", "W2"])] == [
        False,
        False,
        True,
        True,
    ]
    assert Policy.parse(Policy.format_simple(vkeys, witnesses, None)).quorum is None
    assert Policy.parse(Policy.format_simple(vkeys, [], None)).satisfied_by([])
    for k in (0, 4):
        with pytest.raises(InputError):
            Policy.format_simple(vkeys, witnesses, k)


def test_groups_of_groups() -> None:
    policy = parsed("group a 2 W0 W1 W2\ngroup b any W3 W4\ngroup c all a b\nquorum c\n")
    assert policy.satisfied_by(["W0", "W1", "W3"])
    assert not policy.satisfied_by(["W0", "W1", "W2"])
    assert not policy.satisfied_by(["W3", "W4"])
    assert not policy.satisfied_by(["W0", "W0", "W3"])


def test_only_witnesses_of_the_policy_count() -> None:
    assert not TWO_OF_THREE.satisfied_by(["W0", "W3", "unknown", "g"])
    assert not parsed("quorum W4\n").satisfied_by(["W0", "W1", "W2", "W3"])
    assert parsed("quorum none\n").satisfied_by([])


def meets(policy: Policy, names: set[str]) -> bool:
    """The definition of a quorum, by recursion from the top."""

    def holds(name: str) -> bool:
        group = policy.groups.get(name)
        return name in names if group is None else sum(map(holds, group.members)) >= group.k

    return policy.quorum is None or holds(policy.quorum)


@st.composite
def random_policies(draw: st.DrawFn) -> Policy:
    free, lines = [f"W{number}" for number in range(5)], []
    for number in range(draw(st.integers(0, 3))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, max_size=5, unique=True))
        k = draw(st.sampled_from(["any", "all", str(draw(st.integers(1, len(members))))]))
        lines.append(f"group g{number} {k} {' '.join(members)}\n")
        free = [name for name in free if name not in members] + [f"g{number}"]
    return parsed("".join(lines) + f"quorum {draw(st.sampled_from([*free, 'none']))}\n")


@given(random_policies())
def test_quorums_agree_with_their_definition(policy: Policy) -> None:
    everyone = set(policy.witnesses)
    subsets = [set(names) for size in range(6) for names in itertools.combinations(sorted(everyone), size)]
    for names in subsets:
        assert policy.satisfied_by(names) == meets(policy, names)
    disjoint = any(meets(policy, names) and meets(policy, everyone - names) for names in subsets)
    assert policy.quorums_intersect == (not disjoint)


# Checkpoints under a policy.


def test_a_quorum_of_witnesses() -> None:
    data = cosigned(checkpoint_of(), [(witness(0), 50), (witness(2), 40), (witness(4), 30), (witness(9), 20)])
    checked = TWO_OF_THREE.require(data)
    assert checked.checkpoint == checkpoint_of()
    assert checked.times == {"W0": 50, "W2": 40, "W4": 30}
    assert checked.quorum_met
    assert checked.failed == ()


def test_a_quorum_not_met_is_told_or_raised() -> None:
    data = cosigned(checkpoint_of(), [(witness(0), 50), (witness(0), 51), (witness(3), 50)])
    assert not TWO_OF_THREE.check(data).quorum_met
    with pytest.raises(ProofFailed, match="cosigned by `W0`, `W3`, too few"):
        TWO_OF_THREE.require(data)
    with pytest.raises(ProofFailed, match="no witness"):
        TWO_OF_THREE.require(cosigned(checkpoint_of(), []))
    assert parsed("quorum none\n").require(cosigned(checkpoint_of(), [])).quorum_met


def test_the_log_must_sign_whatever_the_witnesses_say() -> None:
    stranger = [signer(ORIGIN, ED25519, "stranger")]
    data = cosigned(checkpoint_of(), [(witness(number), 5) for number in range(3)], signers=stranger)
    assert outcome(TWO_OF_THREE.check, data) is ProofFailed
    assert outcome(Policy.parse("quorum none\n").check, data) is ProofFailed
    assert outcome(TWO_OF_THREE.check, b"") is InputError


def test_the_key_of_the_log_is_no_witness() -> None:
    own = type(witness(0))(ORIGIN, COSIGNATURE_ED25519, log_signers()[0].key)
    data = cosigned(checkpoint_of(), [(own, 5), (witness(0), 5)])
    assert not TWO_OF_THREE.check(data).quorum_met


def test_wrong_cosignatures_are_reported_and_refused_when_strict() -> None:
    good = Note.parse(cosigned(checkpoint_of(), [(witness(0), 50), (witness(1), 51)]))
    wrong = Note.parse(cosigned(checkpoint_of(1001), [(witness(2), 52)])).of(witness(2).verifier)
    data = Note(good.text, good.signatures + wrong).format()
    checked = TWO_OF_THREE.require(data)
    assert (checked.failed, set(checked.times)) == (("W2",), {"W0", "W1"})
    with pytest.raises(ProofFailed, match="wrong cosignatures of `W2`"):
        TWO_OF_THREE.check(data, strict=True)
    assert TWO_OF_THREE.require(good.format(), strict=True).quorum_met


def test_post_quantum_witnesses() -> None:
    each = witness(8, COSIGNATURE_ML_DSA_44)
    policy = parsed(f"witness pq {each.verifier}\ngroup g all W0 pq\nquorum g\n")
    assert policy.require(cosigned(checkpoint_of(), [(each, 7), (witness(0), 8)])).times == {"pq": 7, "W0": 8}


def test_rotated_log_keys_are_both_listed() -> None:
    old, new = signer(ORIGIN, ED25519, "old"), signer(ORIGIN, ED25519, "new")
    policy = Policy.parse(f"log {old.verifier}\nlog {new.verifier}\nquorum none\n")
    for signers in ([old], [new], [old, new]):
        assert policy.check(sign_checkpoint(checkpoint_of(), signers, time_s=1)).quorum_met


# Times.


def checked_with(times: dict[str, int], policy: Policy = TWO_OF_THREE) -> CheckedCheckpoint:
    numbers = {f"W{number}": witness(number) for number in range(5)}
    return policy.check(cosigned(checkpoint_of(), [(numbers[name], time_s) for name, time_s in times.items()]))


@pytest.mark.parametrize(
    ("times", "before", "after"),
    [
        ({"W0": 10, "W1": 20, "W2": 30}, 20, 20),
        ({"W0": 30, "W1": 10, "W2": 11}, 11, 11),
        ({"W0": 10, "W2": 30}, 30, 10),
        ({"W0": 10, "W1": 10}, 10, 10),
        ({"W0": 10, "W3": 20, "W4": 30}, None, None),
        ({"W3": 1, "W0": 10, "W1": 20, "W4": 99}, 20, 10),
        ({}, None, None),
    ],
)
def test_times_that_a_quorum_proves(times: dict[str, int], before: int | None, after: int | None) -> None:
    checked = checked_with(times)
    assert existed_before(checked, TWO_OF_THREE) == before
    assert not_before(checked, TWO_OF_THREE) == after


def test_no_witness_no_time() -> None:
    policy = parsed("quorum none\n")
    checked = checked_with({"W0": 10}, policy)
    assert (existed_before(checked, policy), not_before(checked, policy)) == (None, None)


def test_quorums_without_a_common_witness_prove_no_not_before() -> None:
    policy = parsed("group g any W0 W1 W2\nquorum g\n")
    checked = checked_with({"W0": 10, "W1": 20}, policy)
    assert existed_before(checked, policy) == 10
    assert not_before(checked, policy) is None


@given(random_policies(), st.dictionaries(st.sampled_from(["W0", "W1", "W2", "W3", "W4"]), st.integers(1, 9)))
def test_times_agree_with_their_definition(policy: Policy, times: dict[str, int]) -> None:
    checked = CheckedCheckpoint(checkpoint_of(), None, times, (), meets(policy, set(times)))
    early = [t for t in range(1, 10) if meets(policy, {name for name, time_s in times.items() if time_s <= t})]
    late = [t for t in range(1, 10) if meets(policy, {name for name, time_s in times.items() if time_s >= t})]
    if policy.quorum is None:
        early = late = []
    assert existed_before(checked, policy) == min(early, default=None)
    assert not_before(checked, policy) == (max(late, default=None) if policy.quorums_intersect else None)


# Vectors.


def test_vectors_of_policies(shared_data: Path) -> None:
    cases = json.loads((shared_data / "tlog/generated/policies.json").read_text())["cases"]
    for case in cases:
        policy = outcome(Policy.parse, case["policy"])
        assert isinstance(policy, Policy) == case["valid"], case["desc"]
        for names, satisfied in case.get("satisfied_by") or ():
            assert policy.satisfied_by(names) == satisfied, (case["desc"], names)
    assert len(cases) == 23
