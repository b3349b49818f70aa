"""Imports go to lower levels only, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import groundrule

ROOT = Path(groundrule.__file__).parent
LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"__init__", "errors"}),
    frozenset({"instant", "reasons"}),
    frozenset({"canon", "frames", "signing"}),
    frozenset({"records"}),
    frozenset({"areas", "orbit", "screen", "rules", "detect", "govern"}),
    frozenset({"verify", "ledger", "store"}),
    frozenset({"simulate", "evidence"}),
    frozenset({"pipeline"}),
    frozenset({"engines"}),
    frozenset({"api", "cli", "console"}),
    frozenset({"__main__"}),
)
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imports_of(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "groundrule" else [module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "groundrule":
                rooms.add(parts[1] if len(parts) > 1 else "__init__")
    return {room if room in LEVEL_OF else "__init__" for room in rooms}


def violations(root: Path) -> list[str]:
    found = []
    for path in sorted(root.rglob("*.py")):
        here = room_of(path)
        for there in sorted(imports_of(path)):
            if there != here and LEVEL_OF[there] >= LEVEL_OF[here]:
                found.append(f"{path.relative_to(root)} imports {there}")
    return found


def test_every_room_has_a_level() -> None:
    rooms = {room_of(path) for path in ROOT.rglob("*.py")}
    assert rooms <= LEVEL_OF.keys(), f"rooms without a level: {sorted(rooms - LEVEL_OF.keys())}"


def test_imports_go_to_lower_levels_only() -> None:
    assert violations(ROOT) == []
