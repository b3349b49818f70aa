"""Who would change: counted on a case small enough to count by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from groundrule.instant import NS_PER_S
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.whatif import WhatIf, what_if
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from small_home import BOOK, RECORDED, T0, drive, observation, table

ROWS = table(
    sorted(
        [
            # 60 km/h: stopped where the limit is 45, served where it is 75; the first two fixes are served in both.
            *drive("car", 0, 6, lat=5, lon=5, km_h=60),
            # The same, exempt.
            *drive("train", 0, 6, lat=5, lon=5, km_h=60),
            # Stopped in both.
            *drive("guest", 0, 6, lat=6, lon=5, km_h=120),
            observation("van", 0, 2.5, 2.5),
            observation("late payer", 0, 5, 15),
        ],
        key=lambda row: (row["observed_at"], row["terminal_id"]),
    )
)
SLOWER = BOOK.replace("above: 75, release_below: 70", "above: 45, release_below: 40")


def compare(home: Home, text: str, *batches: pa.Table, **options: int) -> WhatIf:
    before = basis_of(home, recorded_at_ns=RECORDED)
    after = basis_of(home, recorded_at_ns=RECORDED, rulebook=read_rulebook(text), registers=before.registers)
    return what_if(batches or (ROWS,), before, after, **options)


def test_the_same_rulebook_changes_nobody(home: Home) -> None:
    found = compare(home, BOOK)
    assert (found.terminals, found.observations, found.changed_observations, found.changed) == (5, 20, 0, [])


def test_a_lower_limit_hits_the_car_and_nobody_else(home: Home) -> None:
    found = compare(home, SLOWER)
    assert (found.terminals, found.observations) == (5, 20)
    [car] = found.changed
    assert (car["terminal_id"], car["before"], car["after"]) == ("car", "serve", "deny")
    assert (car["rule_before"], car["rule_after"]) == ("default", "too-fast")
    assert (car["country"], car["plan"], car["programme"], car["class"]) == ("AT", "roam", "none", "none")
    assert found.changed_observations == 3
    assert found.by["change"] == {"serve → deny": 1}
    assert found.by["plan"] == {"roam": 1}
    assert found.by["country"] == {"AT": 1}


def test_batches_do_not_change_the_count(home: Home) -> None:
    whole = compare(home, SLOWER)
    for size in (1, 7):
        parts = compare(home, SLOWER, *(ROWS.slice(k, size) for k in range(0, len(ROWS), size)))
        assert (parts.changed, parts.changed_observations, parts.by) == (
            whole.changed,
            whole.changed_observations,
            whole.by,
        )


def test_counts_by_place_and_kind_add_up(home: Home) -> None:
    text = BOOK.replace("account: suspended", "account: active").replace("Suspended accounts", "Active accounts")
    found = compare(home, text)
    assert {item["terminal_id"]: (item["before"], item["after"]) for item in found.changed} == {
        "car": ("serve", "deny"),
        "train": ("serve", "deny"),
        "guest": ("deny", "deny"),
        "late payer": ("deny", "serve"),
    }
    assert found.by["country"] == {"AT": 3, "BE": 1}
    assert found.by["programme"] == {"none": 3, "rail": 1}
    for counted in found.by.values():
        assert counted.total() == len(found.changed)


def test_as_of_is_applied_to_both(home: Home) -> None:
    head, window = BOOK.split("  - id: bland-window\n")
    text = f"{head}  - id: bland-window\n{window.replace('outcome: deny', 'outcome: review', 1)}"
    rows = table([observation("car", 0, 5, 15)])
    assert compare(home, text, rows).changed == []
    [car] = compare(home, text, rows, as_of_ns=T0 + 7200 * NS_PER_S).changed
    assert (car["before"], car["after"]) == ("deny", "review")


@pytest.mark.parametrize("terminals", [1, 400])
def test_unregistered_terminals_are_counted_too(home: Home, terminals: int) -> None:
    rows = table(observation(f"x{k:04}", 0, 5, 5) for k in range(terminals))
    found = compare(home, BOOK.replace("account: suspended", "account: disabled"), rows)
    assert found.terminals == terminals
    text = BOOK.replace(
        "    reason: account_disabled\n", "    reason: account_disabled\n    unknown: {account: serve}\n"
    )
    changed = compare(home, text, rows)
    assert len(changed.changed) == terminals
    assert changed.by["plan"] == {"not registered": terminals}
