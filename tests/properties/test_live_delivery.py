"""However observations are delivered to the live desk, the final decisions are those of one run in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import small_home as sh
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.replaying import replay
from groundrule.store.home import Home
from late_delivery import deliver

SEEDS = 32
SETTINGS = LiveSettings(commit_every_s=3_600, check_every_s=3_600, detection=False)  # the ordered run has no detectors either


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return sh.make_home(tmp_path_factory.mktemp("delivery") / "template")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_final_decisions_do_not_depend_on_the_delivery(template: Home, tmp_path: Path, seed: int) -> None:
    whole = sh.stream(seed)
    ordered = sh.copy_home(template, tmp_path / "ordered")
    sh.run(ordered, whole)
    wanted = sh.final_decisions(ordered, [1])
    deliveries, _ = deliver(whole, seed)
    rng = np.random.default_rng(seed)
    home = sh.copy_home(template, tmp_path / "live")
    live = Live.open(home, clock=lambda: sh.RECORDED, settings=SETTINGS)
    differences = 0
    for number, delivery in enumerate(deliveries):
        table = delivery.drop_columns(["source", "source_row"])
        cuts = np.sort(rng.integers(0, len(table), 3))
        waiting = [
            live.submit(table.slice(start, end - start), source=f"s{number}")
            for start, end in zip([0, *cuts], [*cuts, len(table)], strict=True)
        ]
        answers = [each.result(60) for each in waiting]
        assert sum(each.accepted + each.duplicates for each in answers) == len(table)
        if rng.random() < 0.8:
            live.commit().result(60)
        if rng.random() < 0.3:
            differences += live.status().counters["differences"]
            live.close()
            live = Live.open(home, clock=lambda: sh.RECORDED, settings=SETTINGS)
    # A terminal is answered from the memory that the ordered run would have.
    live.commit().result(60)
    differences += live.status().counters["differences"]
    last_s = (max(row["observed_at"] for row in wanted) - sh.T0) / 1e9 + 60
    names = ["car", "train", "guest", "van", "late payer", "stranger"]
    further = sh.table([sh.observation(name, last_s, 5.0, 5.0) for name in names]).drop_columns(["source", "source_row"])
    asked = live.evaluate(further).result(60).decisions
    live.close()
    assert differences == 0
    assert sh.final_decisions(home, runs(home)) == wanted
    assert replay(home).identical
    sh.run(ordered, pa.concat_tables([sh.table([sh.observation(name, last_s, 5.0, 5.0) for name in names])]))
    then = {row["terminal_id"]: row for row in sh.stored(ordered, 2)}
    for row in asked.drop_columns(["class", "late"]).to_pylist():
        assert row == then[row["terminal_id"]]
