"""The page of invariants names a test for each of the twenty, and leaves none out."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "governance-invariants.md"


def rows() -> dict[str, list[str]]:
    """Invariant to the tests and machines named in its row."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\| (I\d+) \|[^|]+\|([^|]+)\|$", line):
            found[match[1]] = re.findall(r"`(\w+)`", match[2])
    return found


def test_every_invariant_names_tests_that_exist() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("test_*.py")))
    assert list(rows()) == [f"I{number}" for number in range(1, 21)]
    for invariant, names in rows().items():
        assert any(re.match(rf"test_(?:i\d+_)*{invariant.lower()}_", name) for name in names), f"no property test named for {invariant}"
        for name in names:
            assert len(re.findall(rf"^(?:def|class) {name}\(", text, re.MULTILINE)) == 1, name


def test_every_property_test_named_for_an_invariant_is_on_the_page() -> None:
    named = {invariant: set(names) for invariant, names in rows().items()}
    found = 0
    for path in sorted((TESTS / "properties").glob("test_govern*.py")):
        for name, shows in re.findall(r"^def (test_((?:i\d+_)+)\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            for each in shows.strip("_").split("_"):
                found += 1
                assert name in named[each.upper()], f"{name} is not in the row of {each.upper()}"
    assert found >= 20
