"""Playing a story by command, and verifying what it leaves with the small verifier alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from console import groundrule

VERIFIER = Path(__file__).parents[1] / "tools" / "groundrule_verify.py"


def play(name: str, out: Path) -> dict[str, Any]:
    """Play a story and return what the command tells as JSON."""
    answer = groundrule("demo", "--incident", name, "--out", out, "--json")
    assert answer.code == 0, answer
    found: dict[str, Any] = answer.json
    return found


def step(told: dict[str, Any], begins: str) -> dict[str, Any]:
    """Return the one step whose command begins so."""
    found = [each for each in told["steps"] if each["command"].startswith(begins)]
    assert len(found) == 1, [each["command"] for each in told["steps"]]
    made: dict[str, Any] = found[0]
    return made


def verified(receipt: Path, home: Path) -> dict[str, Any]:
    """Verify a receipt, and the whole log beside it, with none of our code."""
    ran = subprocess.run(
        [sys.executable, VERIFIER, receipt, "--policy", home / "ledger" / "policy", "--log", home / "ledger", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    assert found["holds"]
    return found


def public_bytes(home: Path) -> bytes:
    """Everything that outsiders can read of the log."""
    files = [path for path in (home / "ledger").rglob("*") if path.is_file() and ".state" not in path.parts]
    return b"".join(path.read_bytes() for path in files)
