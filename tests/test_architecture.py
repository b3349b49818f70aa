"""Imports go to lower levels only, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

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
    frozenset({"api", "console"}),
    frozenset({"cli"}),  # `serve` starts the service
    frozenset({"__main__"}),
)
STANDS_ALONE = (
    "errors",
    "canon",
    "instant",
    "signing",
    "ledger/tree",
    "ledger/tiles",
    "ledger/note",
    "ledger/checkpoint",
    "ledger/cosignature",
    "ledger/policy",
    "ledger/proof",
    "ledger/entry",
    "ledger/commitment",
)
"""What an outsider lifts out to verify a log, together with all of ledger/audit."""
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}


MODULE_LINES = 500
"""A longer module does more than one thing."""


def test_no_module_is_longer_than_a_reader_keeps_in_mind() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.rglob("*.py")}
    assert not {name: count for name, count in lines.items() if count > MODULE_LINES}


def test_no_two_files_of_tests_have_one_name() -> None:
    """Tests are collected without packages: two files of one name are one module, and one of them is not run."""
    counts = Counter(path.name for path in Path(__file__).parent.rglob("*.py"))
    assert not {name: count for name, count in counts.items() if count > 1 and name.startswith("test_")}


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


def standalone_files() -> list[Path]:
    return [ROOT / f"{name}.py" for name in STANDS_ALONE] + sorted((ROOT / "ledger/audit").glob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def outside_imports(path: Path, modules: set[str]) -> list[str]:
    """Imports of a file, also inside functions, that are neither of the standard library, `cryptography` nor `modules`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            is_package = module == "groundrule" or (ROOT.parent / Path(*module.split(".")) / "__init__.py").is_file()
            names = [f"{module}.{alias.name}" for alias in node.names] if is_package else [module]
            # A name may also be something that the package itself defines.
            names = [
                name if (ROOT.parent / Path(*name.split("."))).with_suffix(".py").is_file() else module
                for name in names
            ]
        for name in names:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top != "cryptography" and name not in modules:
                found.append(name)
    return found


def test_the_verifier_stands_alone() -> None:
    files = standalone_files()
    modules = {module_of(path) for path in files}
    outside = {module_of(path): names for path in files if (names := outside_imports(path, modules))}
    assert outside == {}


def test_the_check_of_imports_sees_what_it_forbids(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "import json\nimport numpy as np\nfrom cryptography.hazmat import primitives\nfrom groundrule import store\n"
        "from groundrule.errors import InputError\nfrom groundrule.ledger import log, tree\n"
        "def f():\n    import rfc8785\n    from groundrule.ledger.log import Log\n",
        encoding="utf-8",
    )
    modules = {"groundrule.errors", "groundrule.ledger.tree"}
    assert outside_imports(path, modules) == [
        "numpy",
        "groundrule",
        "groundrule.ledger.log",
        "rfc8785",
        "groundrule.ledger.log",
    ]


@pytest.mark.parametrize("lifted", [False, True], ids=["installed", "lifted out"])
def test_the_verifier_loads_without_the_rest(lifted: bool, tmp_path: Path) -> None:
    """Imported in a fresh interpreter, where it lies and as a copy of its files alone."""
    names = [module_of(path) for path in standalone_files()]
    root = ROOT.parent
    if lifted:
        root = tmp_path
        for path in (ROOT / "__init__.py", ROOT / "ledger/__init__.py", *standalone_files()):
            copy = tmp_path / path.relative_to(ROOT.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    script = f"""
import importlib, sys
sys.path.insert(0, {str(root)!r})
for name in {names!r}:
    importlib.import_module(name)
assert sys.modules["groundrule"].__file__.startswith({str(root)!r})
top = {{name.split(".")[0] for name in sys.modules}}
print(sorted(top & {{"numpy", "pyarrow", "sqlalchemy", "rfc8785", "msgspec", "duckdb", "numba", "shapely", "yaml"}}))
print(sorted(name for name in sys.modules if name.startswith("groundrule.") and name not in {names!r}))
"""
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "['groundrule.ledger']"]
