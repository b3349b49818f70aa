"""The instructions of docs/verify-without-us.md, followed to the letter on a real log."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from real_receipts import Ledger

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "verify-without-us.md"
LIBRARY = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")


def blocks(language: str, part: str) -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    inside = text[text.index(f"<!-- {part} begin -->") : text.index(f"<!-- {part} end -->")]
    return re.findall(rf"^```{language}\n(.*?)^```$", inside, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the document names."""
    folder = tmp_path_factory.mktemp("desk")
    ledger = Ledger(folder / "log", 21, [1, 0, 20, *[0] * 170, 30])
    assert ledger.log.size > 512
    plain = next(
        receipt
        for receipt in ledger.receipts()
        if isinstance(value := receipt.opened[min(receipt.opened)], int | str | None) and str(value).replace(" ", "").isalnum()
    )
    (folder / "receipt.tlog-proof").write_bytes(plain.data)
    (folder / "policy").write_bytes(ledger.policy)
    (folder / "older-checkpoint").write_bytes(ledger.checkpoints[0])
    other = Ledger(folder / "other", 21, [2, 0, 20, *[0] * 170, 30])
    (folder / "other-checkpoint").write_bytes(other.checkpoints[1])
    (folder / "other-policy").write_bytes(Ledger(folder / "stranger", 22, [1]).policy)
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None or not LIBRARY.is_dir():
        pytest.skip("needs Debian's golang-go and golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    (source,) = blocks("go", "go program")
    (folder / "verify.go").write_text(source, encoding="utf-8")
    settings = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    command, environment = ["go", "build", "-o", "verify", "verify.go"], {**os.environ, **settings}
    built = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder / "verify"


def run(program: Path, *arguments: str, folder: Path) -> tuple[int, str]:
    ran = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_go_accepts_our_log_receipt_and_growth(program: Path, desk: Path) -> None:
    code, said = run(program, "policy", "log", "receipt.tlog-proof", "older-checkpoint", folder=desk)
    assert code == 0, said
    assert "entries and all tiles lead to the signed root" in said
    assert "its entry is number" in said
    assert "the log has grown from this checkpoint" in said
    assert "signed by witness1.invented.example" in said


@pytest.mark.parametrize(
    ("what", "arguments", "reason"),
    [
        ("another history", ["policy", "log", "other-checkpoint"], "other-checkpoint"),
        ("keys of somebody else", ["other-policy", "log"], "the checkpoint"),
        ("a receipt of another index", ["policy", "log", "wrong-index"], "wrong-index"),
        ("a receipt with another entry", ["policy", "log", "wrong-entry"], "wrong-entry"),
        ("no receipt", ["policy", "log", "policy"], "policy"),
        ("a damaged tile", ["policy", "damaged"], "the log"),
        ("a damaged entry", ["policy", "altered"], "the log"),
        ("a missing tile", ["policy", "short"], "the log"),
    ],
)
def test_go_refuses(what: str, arguments: list[str], reason: str, program: Path, desk: Path) -> None:
    whole = (desk / "receipt.tlog-proof").read_bytes()
    (desk / "wrong-index").write_bytes(whole.replace(b"\nindex ", b"\nindex 1", 1))
    (desk / "wrong-entry").write_bytes(re.sub(rb"(?<=\nextra )[^\n]*", b"eyJlbnRyeSI6ICJBQUFBIn0=", whole, count=1))
    for name, tile in (("damaged", "tile/1/000.p/2"), ("altered", "tile/entries/001"), ("short", "tile/0/000")):
        if not (desk / name).exists():
            shutil.copytree(desk / "log", desk / name)
            path = desk / name / tile
            data = path.read_bytes()
            path.unlink() if name == "short" else path.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    code, said = run(program, *arguments, folder=desk)
    assert code == 1, what
    assert f"FAILED: {reason}" in said, said


def test_the_commands_by_hand(desk: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    scripts = blocks("sh", "by hand")
    assert len(scripts) == 4
    ran = subprocess.run(["sh", "-eu", "-c", "\n".join(scripts)], cwd=desk, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    for said in ("Signature Verified Successfully", "is in the log", "24 commitments"):
        assert said in ran.stdout
    assert re.search(r"^[a-z0-9_]+ is .+$", ran.stdout, re.MULTILINE)


def test_the_commands_by_hand_notice(desk: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    signature = blocks("sh", "by hand")[0]
    altered = signature.replace("sed '/^$/,$d' log/checkpoint > text", "sed '/^$/,$d' log/checkpoint | tr 0-8 1-9 > text")
    assert altered != signature
    ran = subprocess.run(["sh", "-eu", "-c", altered], cwd=desk, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
