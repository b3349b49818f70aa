"""A home of any number of observations: invented terminals that drive through the small world, in several runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from groundrule.instant import NS_PER_S
from groundrule.pipeline.home import store_rulebook
from groundrule.records import OBSERVATION_SCHEMA, with_later
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from small_home import BOOK, RECORDED, T0, make_home, register, run

SLOWER = BOOK.replace("above: 75, release_below: 70", "above: 45, release_below: 40")


def drives(terminals: int, steps: int, seed: int = 0) -> pa.Table:
    """Observations in order of time: some stand, some drive, some have no position now and then."""
    rng = np.random.default_rng(seed)
    km_h = rng.choice([0, 40, 60, 100], terminals)
    lat = rng.uniform(-1.9, 9.5, terminals)
    lon = rng.uniform(0, 19, terminals)[None, :] + np.arange(steps)[:, None] * km_h / 3.6 * 60 / 111_320
    at = T0 + (np.arange(steps)[:, None] * 60 + rng.integers(0, 50, (steps, terminals))) * NS_PER_S
    silent = rng.random((steps, terminals)) < 0.03
    rows = steps * terminals
    order = np.lexsort((np.tile(np.arange(terminals), steps), at.ravel()))
    made = {
        "terminal_id": pa.array([f"t{number:05d}" for number in range(terminals)]).take(pa.array(np.tile(np.arange(terminals), steps))),
        "observed_at": pa.array(at.ravel()),
        "lat_deg": pa.array(np.broadcast_to(lat, (steps, terminals)).ravel(), mask=silent.ravel()),
        "lon_deg": pa.array(lon.ravel(), mask=silent.ravel()),
        "position_source": pa.array(np.where(silent.ravel(), "none", "gnss")),
        "source": pa.array(["made"] * rows),
        "source_row": pa.array(np.arange(rows)),
    }
    for field in OBSERVATION_SCHEMA:
        made.setdefault(field.name, pa.nulls(rows, field.type))
    whole = with_later(pa.table({name: made[name] for name in OBSERVATION_SCHEMA.names}).cast(OBSERVATION_SCHEMA))
    return whole.take(pa.array(order))


def wide_home(path: Path, terminals: int, steps: int, *, late: float = 0.1) -> Home:
    """A home with four runs: two of them bring late and repeated rows, and the last is under another rulebook."""
    home = make_home(path)
    known = "".join(f"t{number:05d},{'acc-s' if number % 50 == 0 else 'acc-a'},roam,,registered,AT\n" for number in range(0, terminals, 2))
    register(home, "terminals", "terminal_id,account_id,plan,programmes,registration,activation_country\n" + known)
    whole = drives(terminals, steps)
    rng = np.random.default_rng(1)
    part = np.minimum(np.arange(len(whole)) * 4 // len(whole), 3)
    moved = rng.random(len(whole)) < late
    part[moved] = np.minimum(part[moved] + 1, 3)
    for number in range(4):
        if number == 3:
            book = read_rulebook(SLOWER)
            store_rulebook(home, book)
            (home.rulebooks / "current.json").write_text(json.dumps({"rulebook": book.digest}), encoding="utf-8")
        again = (part == number - 1) & (rng.random(len(whole)) < late)
        run(home, whole.filter(pa.array((part == number) | again)), recorded_at=RECORDED + number * NS_PER_S)
    return home
