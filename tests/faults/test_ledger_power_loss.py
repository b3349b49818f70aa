"""Power losses, failing calls, restarts, clock steps and witnesses, from seeds; the campaign runs many more of them.

That the promises hold says something only because the same simulation finds programs that forget a step: they are run too.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest
from simulated_ledger import Simulation, Totals, Violation, run
from simulated_machine import PowerLoss, SimulatedMachine

from groundrule.errors import StoreError
from groundrule.ledger.disk import DurableDisk
from groundrule.ledger.log import Log
from groundrule.ledger.state import SIGNED

SEEDS = 500
PARTS = 5


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_acknowledged_or_signed_is_lost_whenever_power_fails(part: int) -> None:
    totals = Totals()
    for seed in range(part, SEEDS, PARTS):
        totals.add(run(seed))
    assert totals.seeds == SEEDS // PARTS
    # The seeds do what they are meant to do:
    assert totals.power_losses > totals.seeds
    assert min(totals.losses_in_recovery, totals.faults, totals.repairs, totals.checkpoints) > 20


class RetryingMachine(SimulatedMachine):
    """A program that asks a second time when fsync fails."""

    def sync(self, folder: str) -> None:
        try:
            super().sync(folder)
        except OSError:
            super().sync(folder)


def opened(disk: DurableDisk, *, created: bool, **arguments: object) -> Log:
    if created:
        arguments.pop("policy")
    return (Log.open if created else Log.create)(disk, **arguments)  # type: ignore[operator]  # both take these


def signs_before_noting_it(disk: DurableDisk, **arguments: object) -> Log:
    replace = disk.replace

    def forgetful(path: str, data: bytes) -> None:
        if path != SIGNED or not disk.exists(path):
            replace(path, data)

    disk.replace = forgetful  # type: ignore[method-assign]  # the mutation
    return opened(disk, **arguments)  # type: ignore[arg-type]  # passed on


def writes_the_tree_state_first(disk: DurableDisk, **arguments: object) -> Log:
    create_once, replace = disk.create_once, disk.replace
    late: list[tuple[str, bytes]] = []

    def postponed(items: Sequence[tuple[str, bytes]], **_: object) -> None:
        late.extend(items)

    def early(path: str, data: bytes) -> None:
        replace(path, data)
        if late:
            create_once(late, replaceable=lambda _: True)
            late.clear()

    def read(path: str, *, cold: bool = False) -> bytes:
        return dict(late).get(path) or DurableDisk.read(disk, path, cold=cold)

    disk.create_once, disk.replace, disk.read = postponed, early, read  # type: ignore[method-assign]  # the mutation
    return opened(disk, **arguments)  # type: ignore[arg-type]  # passed on


MUTANTS = {
    "content is not synced": lambda seed: Simulation(seed, machine=SimulatedMachine(seed, content_synced=False)),
    "folders are not synced": lambda seed: Simulation(seed, machine=SimulatedMachine(seed, folders_synced=False)),
    "fsync is tried again": lambda seed: Simulation(seed, machine=RetryingMachine(seed)),
    "signed is not noted": lambda seed: Simulation(seed, opener=signs_before_noting_it),
    "the tree state comes first": lambda seed: Simulation(seed, opener=writes_the_tree_state_first),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_program_that_forgets_a_step_is_found(mutant: str) -> None:
    for seed in range(400):
        try:
            MUTANTS[mutant](seed).run()
        except (Violation, AssertionError):
            return
    pytest.fail(f"400 seeds did not notice that {mutant}")


def test_a_seed_always_does_the_same() -> None:
    assert run(11) == run(11)


# --- the machine itself -----------------------------------------------------------------------------------------------


def test_what_was_synced_survives_and_what_was_not_may_go() -> None:
    kept = lost = torn = 0
    for seed in range(200):
        machine = SimulatedMachine(seed)
        machine.write_new("", "safe", b"safe")
        machine.sync("")
        machine.write_new("", "name only waits", b"x" * 5000)
        machine.power_fails_at = machine.calls + 1
        with pytest.raises(PowerLoss):
            machine.write_new("", "half", bytes(range(1, 251)) * 20)
        machine.lose_power()
        names = set(machine.names(""))
        assert machine.read("safe", cold=False) == b"safe"
        kept += "name only waits" in names
        lost += "name only waits" not in names
        torn += "half" in names and machine.read("half", cold=False) not in (b"", bytes(range(1, 251)) * 20)
    assert kept > 50
    assert lost > 50
    assert torn > 20


def test_what_a_failed_fsync_dropped_never_reaches_the_medium() -> None:
    machine = SimulatedMachine(1)
    machine.write_new("", "file", b"data")
    machine.fault_rate = 1.0
    with pytest.raises(OSError, match="simulated") as failed:
        machine.sync("")
    assert failed.value.errno in (errno.EIO, errno.ENOSPC)
    machine.fault_rate = 0.0
    machine.sync("")
    assert machine.names("") == ["file"]
    machine.lose_power()
    assert machine.names("") == []


def test_the_disk_stops_after_a_failed_fsync_and_says_so() -> None:
    machine = SimulatedMachine(1)
    disk = DurableDisk(machine, label="one", place="the simulated machine")
    disk.replace("a", b"1")
    synced = machine.sync
    machine.sync = lambda folder: (_ for _ in ()).throw(OSError(errno.EIO, "input/output error"))  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="EIO"):
        disk.replace("a", b"2")
    machine.sync = synced  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="nothing more is written"):
        disk.replace("a", b"3")
    assert "fsync" in str(disk.stopped)
