"""What is shipped: no secrets in the sources, a wheel whose bytes anybody can make again, and a bill of its materials."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
SECRETS = {
    "private key (PEM)": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}"),
    "private key of a note": re.compile(rb"PRIVATE\+KEY\+[^\s+\"']+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{20}"),
    "API key of the service": re.compile(rb"\bgr1\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{40,}"),
    "login link": re.compile(rb"/login#token=[A-Za-z0-9_-]{20,}"),
    "token of an OpenID provider": re.compile(rb"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}"),
    "token of a forge": re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20}|pypi-[A-Za-z0-9_-]{40}|npm_[A-Za-z0-9]{36})"),
    "key of a cloud": re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}\b"),
    "password in an address": re.compile(rb"\b[a-z][a-z0-9+]{2,20}://[A-Za-z0-9_.-]+:[^@\s/\"'{}$<>]{3,}@[A-Za-z0-9-]+"),
    "assigned secret": re.compile(rb"(?i)\b(?:password|passwd|api_?key|secret_?key|access_?token)\s*[=:]\s*[\"'][A-Za-z0-9+/_-]{16,}[\"']"),
    "seed of a key": re.compile(rb"(?i)\b(?:seed|private_key|secret)\s*[=:]\s*[\"'](?:[0-9a-f]{64}|[A-Za-z0-9+/]{43}=)[\"']"),
}
"""What secrets look like."""
ALLOWED = {
    ("password in an address", b":secret@"): "the word itself, in tests of what is refused or hidden",
    ("password in an address", b":***@"): "hidden",
    ("password in an address", b"//paper.example:443@127"): "a port in an address that must be refused",
}
"""What looks like a secret and is none: a kind, a part of it, and why."""
PLANTED = {
    "private key (PEM)": b"-----BEGIN PRIVATE KEY-----\n" + b"MC4CAQAwBQYDK2VwBCIEIA" + b"x" * 20,
    "private key of a note": b"PRIVATE" + b"+KEY+log.example+0123abcd+" + b"A" * 44,
    "API key of the service": b"gr1" + b"." + b"a" * 60 + b"." + b"b" * 86,
    "login link": b"http://127.0.0.1:8320/login" + b"#token=" + b"c" * 43,
    "token of an OpenID provider": b"eyJ" + b"h" * 20 + b".eyJ" + b"i" * 20 + b"." + b"j" * 40,
    "token of a forge": b"ghp" + b"_" + b"A" * 36,
    "key of a cloud": b"AKI" + b"A" + b"Z" * 16,
    "password in an address": b"postgresql:" + b"//someone:hunter22@db",
    "assigned secret": b"pass" + b"word = 'abcdefghijklmnop'",
    "seed of a key": b"se" + b"ed = '" + b"0f" * 32 + b"'",
}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def sources() -> list[Path]:
    """Every file of the repository; in a copy without git, every file that could be of it."""
    said = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False)
    if said.returncode == 0 and said.stdout:
        return [ROOT / name for name in os.fsdecode(said.stdout).split("\0") if name and (ROOT / name).is_file()]
    skipped = {"node_modules", ".git", "dist", "__pycache__", ".venv", "demo-out"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not skipped.intersection(path.relative_to(ROOT).parts)]


def found_in(data: bytes) -> list[tuple[str, bytes]]:
    found = [(kind, each.group()) for kind, pattern in SECRETS.items() for each in pattern.finditer(data)]
    return [(kind, text) for kind, text in found if not any(kind == name and part in text for name, part in ALLOWED)]


def test_no_secret_lies_in_the_repository() -> None:
    files = sources()
    assert len(files) > 500
    found = {str(path.relative_to(ROOT)): hits for path in files if (hits := found_in(path.read_bytes()))}
    assert not found


@pytest.mark.parametrize("kind", SECRETS)
def test_a_planted_secret_is_found(kind: str) -> None:
    assert kind in [each for each, _ in found_in(b"x = 1\n" + PLANTED[kind] + b"\n")]


def test_no_file_of_keys_or_of_a_home_lies_in_the_repository() -> None:
    private = re.compile(  # by their names
        r"(?:\.(?:key|pem|p12|pfx|sqlite|sqlite-wal)|^(?:\.env|\.netrc|\.pypirc|\.npmrc|id_ed25519|id_rsa|service\.json))$"
    )
    assert not [str(path.relative_to(ROOT)) for path in sources() if private.search(path.name)]


# --- the wheel ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel built of two copies whose files have other times, in folders of other names."""
    pytest.importorskip("hatchling", reason="the wheel is built by hatchling; pip install hatchling")
    builder, folder = script("build_wheel"), tmp_path_factory.mktemp("wheel")
    one = builder.build(builder.copy_of(ROOT, folder / "one"), folder / "a", "1790000000")
    other = builder.copy_of(ROOT, folder / "another folder")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    return one, builder.build(other, folder / "b", "1790000000")


def test_built_twice_it_is_the_same(wheel: tuple[Path, Path]) -> None:
    one, other = wheel
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()


def test_it_holds_all_that_the_sources_hold_and_nothing_else(wheel: tuple[Path, Path]) -> None:
    builder = script("build_wheel")
    built = (ROOT / "src" / "groundrule" / "console" / "dist" / "index.html").is_file()
    assert builder.missing(wheel[0], console=built) == []
    with zipfile.ZipFile(wheel[0]) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert {each.date_time for each in archive.infolist()} == {(2026, 9, 21, 14, 13, 20)}
    ignored = ("__pycache__", ".egg-info")
    kept = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*") if path.is_file()}
    assert packed == {name for name in kept if not any(each in name for each in ignored) and not name.endswith(".pyc")}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    builder = script("build_wheel")
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("groundrule/__main__.py", "")
        archive.writestr("groundrule/__pycache__/a.pyc", "")
        archive.writestr("groundrule/console/dist/built-from.json", '{"files": ["assets/map-1.js", "assets/there.js"]}')
        archive.writestr("groundrule/console/dist/assets/there.js", "")
        archive.writestr("groundrule/console/dist/index.html", '<script src="/assets/index-1.js"></script><a href="https://x.example/">')
    said = builder.missing(tmp_path / "x.whl", console=True)
    console = {name.removeprefix("groundrule/console/dist/") for name in said if "/dist/" in name}
    assert console == {"basemap/world.json", "assets/map-1.js", "assets/index-1.js"}
    assert {"groundrule/areas/world/land.pack", "groundrule/api/roles.toml", "the command groundrule"} <= set(said)
    assert not any("console" in name for name in builder.missing(tmp_path / "x.whl", console=False))
    assert "LICENSE" in said
    assert "(should not be there) groundrule/__pycache__/a.pyc" in said


# --- the bill -----------------------------------------------------------------------------------------------------------------


def test_the_bill_names_everything_that_is_installed_for_it_and_is_the_same_twice() -> None:
    maker = script("build_sbom")
    value = maker.bill(("reports",))
    assert value == maker.bill(("reports",))
    assert (value["bomFormat"], value["specVersion"]) == ("CycloneDX", "1.6")
    assert value["metadata"]["component"]["name"] == "groundrule"
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", value["serialNumber"])
    named = {each["purl"].split("@")[0] for each in value["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [re.split(r"[^A-Za-z0-9_-]", each)[0] for each in project["dependencies"]]
    assert len(required) > 20
    assert {f"pkg:pypi/{name.lower()}" for name in required} <= named
    assert {"pkg:pypi/weasyprint", "pkg:pypi/rpds-py"} & named == {"pkg:pypi/weasyprint"}, "what is asked for, and no more"
    assert "pkg:npm/maplibre-gl" in named
    refs = [each["bom-ref"] for each in value["components"]]
    assert len(refs) == len(set(refs))
    assert {name for each in value["dependencies"] for name in each["dependsOn"]} <= {*refs, value["metadata"]["component"]["bom-ref"]}
    without = [each["name"] for each in value["components"] if not each.get("licenses")]
    assert len(without) < len(refs) / 10, without
    assert all(len(each["hashes"][0]["content"]) == 128 for each in value["components"] if "hashes" in each)
    json.dumps(value)


def imported_modules() -> dict[str, str]:
    """Top modules that the package imports anywhere, each with a file that does."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            else:
                continue
            found.update({name.partition(".")[0]: path.name for name in names})
    return found


def test_what_is_imported_is_declared() -> None:
    """A package that happens to be on a developer's machine is missing on everybody else's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    known = {re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", each)[0]).lower() for each in declared}
    providers = importlib.metadata.packages_distributions()
    for module, file in imported_modules().items():
        if module in sys.stdlib_module_names or module == "groundrule":
            continue
        distributions = {re.sub(r"[-_.]+", "-", each).lower() for each in providers.get(module, [module])}
        assert distributions & known, f"{file} imports {module}, which pyproject.toml does not name"
