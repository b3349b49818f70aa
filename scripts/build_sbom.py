"""Write the software bill of materials: everything that an installation of Groundrule consists of, as CycloneDX 1.6 JSON.

    python scripts/build_sbom.py [--extra NAME …] [--out FILE]

Distributions are those installed beside this Python, followed from the requirements of pyproject.toml; with them stand
versions, licences as they state them, and digests of their files. The console's packages come from console/package-lock.json,
with the digests that the lock holds. Nothing is fetched, and nothing in the file depends on when or where it was written.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import tomllib
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "console" / "package-lock.json"
SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")


def python_components(extras: tuple[str, ...]) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """Return components and what each needs, by purl; the first is Groundrule.

    Raises:
        PackageNotFoundError: something that is required is not installed.
    """
    components: dict[str, dict[str, Any]] = {}
    needs: dict[str, list[str]] = {}
    seen: set[tuple[str, tuple[str, ...]]] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [("groundrule", extras)]
    while waiting:
        name, wanted = waiting.pop(0)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found = metadata.distribution(name)
        purl = purl_of(found)
        components.setdefault(purl, component(found, purl))
        held = needs.setdefault(purl, [])
        for text in own_requirements() if name == "groundrule" else found.requires or ():
            required = Requirement(text)
            if required.marker and not any(required.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                continue
            key = canonicalize_name(required.name)
            if key == name:
                waiting.append((name, tuple(sorted({*wanted, *required.extras}))))
                continue
            held.append(purl_of(metadata.distribution(key)))
            waiting.append((key, tuple(sorted(required.extras))))
    return components, {each: sorted(set(names)) for each, names in needs.items()}


def own_requirements() -> list[str]:
    """Return what Groundrule requires, as its sources say now; what an older installation noted may be old."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = [f"{text.split(';')[0]}; extra == '{extra}'" for extra, texts in project["optional-dependencies"].items() for text in texts]
    return [*project["dependencies"], *optional]


def purl_of(found: metadata.Distribution) -> str:
    """Return the package URL of a distribution."""
    return f"pkg:pypi/{canonicalize_name(found.metadata['Name'])}@{found.version}"


def component(found: metadata.Distribution, purl: str) -> dict[str, Any]:
    """Describe a distribution."""
    about = found.metadata
    value: dict[str, Any] = {
        "type": "application" if "groundrule@" in purl else "library", "bom-ref": purl, "name": about["Name"],
        "version": found.version, "purl": purl, "description": (about.get("Summary") or "")[:300],
    }  # fmt: skip
    if licences := licences_of(about):
        value["licenses"] = licences
    record = found.read_text("RECORD")
    if record and "groundrule@" not in purl:
        # Digests of all files of a wheel stand in its RECORD; lines that installing adds differ from machine to machine.
        given = (line for line in record.splitlines() if ",sha256=" in line and not line.startswith(".."))
        lines = sorted(line for line in given if ".dist-info/" not in line)
        value["properties"] = [{"name": "groundrule:record", "value": hashlib.sha256("\n".join(lines).encode()).hexdigest()}]
    return value


def licences_of(about: Any) -> list[dict[str, Any]]:
    """Return licences as a distribution states them: an SPDX expression, its classifiers, or its own words."""
    if expression := about.get("License-Expression"):
        return [{"expression": expression}]
    named = [each.rsplit(" :: ", 1)[-1] for each in about.get_all("Classifier") or () if each.startswith("License ::")]
    text = (about.get("License") or "").strip()
    if not named and text and len(text) < 100:
        named = [text.splitlines()[0]]
    return [{"license": {"name": each}} for each in named]


def console_components(lock: Path = LOCK) -> list[dict[str, Any]]:
    """Return what the console is built from and with, as its lock names it."""
    if not lock.exists():
        return []
    made = []
    for place, each in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        if not place or "version" not in each:
            continue
        name = place.rsplit("node_modules/", 1)[-1]
        purl = f"pkg:npm/{name.replace('@', '%40', 1)}@{each['version']}"
        value: dict[str, Any] = {
            "type": "library", "bom-ref": f"{purl}#{place}", "name": name, "version": each["version"], "purl": purl,
            "scope": "excluded" if each.get("dev") else "required",
        }  # fmt: skip
        if licence := each.get("license"):
            value["licenses"] = [{"expression": licence} if SPDX.fullmatch(licence) else {"license": {"name": licence}}]
        algorithm, _, digest = each.get("integrity", "").partition("-")
        if algorithm == "sha512":
            value["hashes"] = [{"alg": "SHA-512", "content": base64.b64decode(digest.split(" ")[0]).hex()}]
        made.append(value)
    return sorted(made, key=lambda value: str(value["bom-ref"]))


def bill(extras: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the bill of materials."""
    components, needs = python_components(extras)
    (main_purl, application), *others = components.items()
    parts = [*sorted((each for _, each in others), key=lambda value: str(value["bom-ref"])), *console_components()]
    value: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": application, "properties": [{"name": "groundrule:extras", "value": ",".join(extras)}]},
        "components": parts,
        "dependencies": [{"ref": each, "dependsOn": names} for each, names in sorted(needs.items())],
    }  # fmt: skip
    assert value["dependencies"], main_purl
    text = json.dumps(value, sort_keys=True)
    value["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)}"
    return value


def main() -> int:
    """Write the bill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", action="append", default=[], help="an optional part, for instance reports; repeatable")
    parser.add_argument("--out", type=Path, help="a file; otherwise it is printed")
    asked = parser.parse_args()
    try:
        text = json.dumps(bill(tuple(asked.extra)), indent=2, ensure_ascii=False) + "\n"
    except metadata.PackageNotFoundError as error:
        print(f"groundrule: {error.name} is not installed; install groundrule with its extras first", file=sys.stderr)
        return 1
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
