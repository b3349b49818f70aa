"""Fixtures of the whole suite.

Strategy: tests build their own small inputs. What needs the optional real data sets asks for `shared_data`, the only
place that knows where they may lie; without them such a test is skipped with a plain message. Nothing opens a network
connection. Tests that ask for `place` run on SQLite and on a real PostgreSQL (`register_places`). Compiled kernels are cached
by numba between runs. Property tests draw the same examples in every run, so that a red suite is red again;
`GROUNDRULE_RANDOM=1` draws new ones, and the campaign draws many. Long files come first, so that two workers end together.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from object_storage import storage
from register_places import place, postgres

__all__ = ["place", "postgres", "shared_data", "storage"]
# No deadlines: how long an example takes says more about the machine than about the code.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile("random" if "GROUNDRULE_RANDOM" in os.environ else "same")

LONG = ("journeys", "faults", "properties", "test_docs.py")
"""Where the files are that take minutes or many seconds, the longest first; everything else takes few."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files: a worker that began one last would leave the other idle (the Makefile keeps this order)."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        first = item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""
        return LONG.index(first) if first in LONG else len(LONG)

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the optional real data sets; `GROUNDRULE_SHARED_DATA` overrides the default place beside the project."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GROUNDRULE_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip("optional real data not found; set GROUNDRULE_SHARED_DATA to run this test")
    return folder
