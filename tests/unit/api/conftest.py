"""One served home for the tests that only read it; whoever changes one makes a copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from homes import Served, make_served_home, served

from groundrule.store.home import Home
from small_home import copy_home


@pytest.fixture(scope="session")
def served_template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_served_home(tmp_path_factory.mktemp("served-template") / "home")


@pytest.fixture(scope="session")
def reading(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(copy_home(served_template, tmp_path_factory.mktemp("served") / "home")) as made:
        yield made
