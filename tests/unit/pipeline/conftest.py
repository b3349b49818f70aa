"""One small home, made once; each test works on a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundrule.store.home import Home
from small_home import copy_home, make_home


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")
