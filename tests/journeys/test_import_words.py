"""What an import says of itself in a home with a charter, and in one without."""

from __future__ import annotations

import json
from pathlib import Path

from board import make_board
from console import groundrule
from groundrule.pipeline.home_ledger import LedgerSetup
from small_home import make_home


def test_an_import_says_whether_anybody_governs(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("account_id,party_id,country,state\nacc-n,p9,AT,active\n")
    nothing = tmp_path / "nothing.geojson"
    nothing.write_text(json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": None}]}))
    said = groundrule("register", "import", "accounts", accounts, "--home", home.path)
    assert "(ungoverned)" in said.out
    assert "(ungoverned)" in groundrule("areas", "import", nothing, "--home", home.path).out
    make_board(home.path, tmp_path).begin()
    said = groundrule("register", "import", "accounts", accounts, "--home", home.path)
    assert said.code == 0, said
    assert "ungoverned" not in said.out
    assert "the charter governs lists and programmes, not accounts" in said.out
    said = groundrule("areas", "import", nothing, "--home", home.path)
    assert "ungoverned" not in said.out
    assert "only by enactment" in said.out
