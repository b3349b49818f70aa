"""The end of the demo: one refusal proved by a receipt, and what each check says once something was altered."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from groundrule.errors import GroundruleError
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.receipts import VerifiedReceipt, verify_receipt
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.tiles import TILE_WIDTH, TilePath
from groundrule.pipeline.home_ledger import POLICY_FILE, Committed, log_folder, policy_of
from groundrule.pipeline.receipts import Issued, issue_receipt
from groundrule.pipeline.runs import Run
from groundrule.pipeline.tamper import altered_byte, altered_decision, flipped
from groundrule.store.home import Home


@dataclass(frozen=True, slots=True)
class Proved:
    """A decision proved, and three alterations found.

    Attributes:
        committed: the log after the run.
        issued: the receipt of one refusal.
        verified: what it proves, checked with nothing but the receipt and the policy file.
        receipt, policy: the two files.
        findings: what was altered, and what the check said.
    """

    committed: Committed
    issued: Issued
    verified: VerifiedReceipt
    receipt: Path
    policy: Path
    findings: tuple[tuple[str, str], ...]


def prove_and_alter(home: Home, run: Run, terminal_id: str, out: Path) -> Proved:
    """Issue and verify the receipt of a terminal's last decision; then alter decision, log and receipt in turn.

    Args:
        run: the run that decided it, committed to the home's log.
        out: folder of the two files.
    """
    if run.committed is None:
        raise AssertionError("the demo's home has a log")
    policy = policy_of(home)
    issued = issue_receipt(home, terminal_id)
    receipt, beside = out / "receipt.tlog-proof", out / POLICY_FILE
    receipt.write_bytes(issued.proof)
    shutil.copyfile(log_folder(home) / POLICY_FILE, beside)
    verified = verify_receipt(receipt.read_bytes(), policy)
    findings = [("a stored decision", _altered_decision(home, run))]
    bundle = log_folder(home) / str(TilePath(None, 0, min(issued.size, TILE_WIDTH)))
    with altered_byte(bundle, -40):
        faults = fsck(log_folder(home), policy).faults
        findings.append(("a byte of the log", "; ".join(str(fault) for fault in faults[:2]) or "NOT FOUND"))
    findings.append(("a byte of the receipt", _altered_receipt(receipt.read_bytes(), policy)))
    return Proved(run.committed, issued, verified, receipt, beside, tuple(findings))


def _altered_receipt(data: bytes, policy: Policy) -> str:
    """What the check says when the first byte of the outcome in a receipt was changed."""
    proof = Proof.parse(data)
    extra = proof.extra or b""
    at = extra.index(b'"value":"', extra.index(b'"name":"outcome"')) + len(b'"value":"')
    try:
        verify_receipt(replace(proof, extra=flipped(extra, at)).format(), policy)
    except GroundruleError as error:
        return error.message
    return "NOT FOUND"


def _altered_decision(home: Home, run: Run) -> str:
    """What asking for a receipt says when the stored decision was changed."""
    try:
        with altered_decision(home, run.number) as alteration:
            issue_receipt(home, alteration.terminal_id, at_ns=alteration.observed_at_ns)
    except GroundruleError as error:
        return error.message
    return "NOT FOUND"
