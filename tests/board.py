"""An invented operator's board, by command line alone: keys, a charter, and what the persons sign."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console import Answer, groundrule

PASSPHRASE = "five invented words for tests"
GROUPS = {
    "ada": "network", "bo": "legal", "cy": "safety", "di": "network", "eve": "legal",
    "fay": "audit", "gus": "audit", "ham": "audit", "reg": "registry", "author": "network",
}  # fmt: skip
ROLES: dict[str, tuple[int, tuple[str, ...]]] = {
    "root": (3, ("ada", "bo", "cy", "di")),
    "policy": (2, ("ada", "bo", "cy")),
    "critical": (3, ("ada", "bo", "cy", "di", "eve")),
    "emergency": (2, ("ada", "bo", "cy")),
    "review": (2, ("fay", "gus", "ham")),
    "registrar": (1, ("reg",)),
}
CLASSES = {
    "routine": {"of_persons": 3},
    "sensitive": {"role": "critical", "min_persons": 3, "of_persons": 5, "min_groups": 2},
    "critical": {"min_persons": 3, "of_persons": 5, "min_groups": 2},
    "charter": {"min_persons": 3, "of_persons": 4},
    "disclosure": {"min_persons": 2, "of_persons": 3},
}


@dataclass(frozen=True)
class Board:
    """The persons of a home, each with a key file in `folder`."""

    home: Path
    folder: Path
    parties: dict[str, str]

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def write(self, name: str, value: Any) -> Path:
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
        return path

    def run(self, *words: object, code: int = 0) -> Any:
        """Run a command on the home, as JSON."""
        answer = self.try_(*words)
        assert answer.code == code, answer
        return answer.json

    def try_(self, *words: object) -> Answer:
        return groundrule(*words, "--home", self.home, "--json")

    def draft(self, **more: Any) -> dict[str, Any]:
        """A charter's draft; `keys` and further fields by person as `{name: {...}}` in `persons`."""
        persons = {
            name: {"keys": [f"{name}.key.pub"], "unit": f"{group} (invented)", "group": group}
            | more.get("persons", {}).get(name, {})
            for name, group in GROUPS.items()
        }
        roles = {role: {"need": need, "of": list(of)} for role, (need, of) in ROLES.items()}
        return {"persons": persons, "roles": roles, "classes": CLASSES, "covered": more.get("covered", {})}

    def begin(self, **more: Any) -> Any:
        """Draft the charter, let three root persons sign, and take it into force."""
        draft = self.write("charter.yaml", self.draft(**more))
        self.run("charter", "draft", draft, "--out", self.folder / "charter.json")
        signed = []
        for name in ("ada", "bo", "cy"):
            signed.append(self.folder / f"{name}.sig")
            answer = groundrule("charter", "sign", self.folder / "charter.json", "--key", self.key(name), "--out", signed[-1],
                                "--yes", "--json")  # fmt: skip
            assert answer.code == 0, answer
        return self.run("charter", "init", *signed)

    def propose(self, changes: dict[str, object], **fields: Any) -> Any:
        """Log a proposal."""
        written = {
            "author": self.parties["author"], "rationale": "a test (invented)", "reversal_plan": "propose the old text again",
        }  # fmt: skip
        file = self.write("proposal.json", written | fields)
        return self.run("propose", file, *(word for name, path in changes.items() for word in ("--change", f"{name}={path}")))

    def approve(self, proposal: str, *names: str, code: int = 0, verdict: str = "approve") -> list[Any]:
        """Let persons check and sign a bundle, and take the envelopes in."""
        bundle = self.folder / "bundle.zip"
        self.run("govern", "export", proposal, "--out", bundle)
        found = []
        for name in names:
            out = self.folder / f"{name}-{proposal[:8]}.approval"
            answer = groundrule("approve", bundle, "--key", self.key(name), "--conflict", "none", "--yes", "--out", out,
                                "--verdict", verdict, "--memory", self.folder / f"{name}.seen.{proposal[:8]}", "--json")  # fmt: skip
            assert answer.code == 0, answer
            found.append(self.try_("govern", "import", out))
            assert found[-1].code == code, found[-1]
        return found


def make_board(home: Path, folder: Path) -> Board:
    """Draw a key for each person."""
    os.environ["GROUNDRULE_PASSPHRASE"] = PASSPHRASE
    parties = {}
    for name in GROUPS:
        answer = groundrule("key", "new", folder / f"{name}.key", "--json")
        assert answer.code == 0, answer
        parties[name] = answer.json["party"]
    return Board(home, folder, parties)
