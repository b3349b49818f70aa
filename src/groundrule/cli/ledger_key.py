"""`groundrule ledger key`: which keys sign the log, and how they are changed without breaking a proof."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.ledger.note import ED25519, VerifierKey
from groundrule.pipeline.home_ledger import keys_folder, log_folder, policy_of
from groundrule.pipeline.key_rotation import Changed, LogKeys, ask_witnesses, keys_of, retire, rotate
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="The keys of the log: show, rotate, retire the old ones.")

Unwitnessed = Annotated[
    bool, typer.Option("--unwitnessed", help="Go on without the quorum of witnesses; after a theft, when they cannot be reached.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and what stands in the way.")]


class Reason(StrEnum):
    """Why an old key signs nothing more."""

    ROTATED = "rotated"
    REVOKED = "revoked"
    COMPROMISED = "compromised"


@app.command()
def show(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Say which keys sign the log, which ones do no more, and whether a change is under way."""
    found = keys_of(Home.open(home))
    if as_json:
        print_json(_dict(found))
        return
    print_text(f"Log {found.origin}", style="bold")
    for word, keys in (("old, still signs", found.old), ("signs", found.new), ("signs no more", found.ended)):
        for key in keys:
            print_text(f"  {word}: {_kind(key)}")
            print_text(f"    {key}")
    if found.begun:
        warn(f"a change was interrupted; run again: groundrule ledger key {found.begun}")
    elif found.old:
        print_text("Two generations sign. When readers and witnesses know the new one: groundrule ledger key retire")


@app.command(name="rotate")
def rotate_(
    home: HomeOption = DEFAULT_HOME, dry_run: DryRun = False, unwitnessed: Unwitnessed = False, as_json: OutputJson = False
) -> None:
    """Give the log new keys: recorded in the log, named in its policy, and signing beside the old ones from then on.

    Stop the service first. Nothing is taken away: whoever knows the old keys reads on. Interrupted, run it again.
    """
    place = Home.open(home)
    present = keys_of(place)
    if dry_run:
        in_the_way = "" if not present.old else "two generations sign already: groundrule ledger key retire"
        _plan(
            place, present, in_the_way, as_json,
            (f"draw an Ed25519 and an ML-DSA-44 key, kept in {keys_folder(place)}",
             "record `key-event` added for both, under the present keys, and have it witnessed",
             f"name both generations in {log_folder(place) / 'policy'}", "sign with both from then on"),
        )  # fmt: skip
        return
    with place.writer():
        made = rotate(place, clock=time.time_ns, unwitnessed=unwitnessed)
    if as_json:
        print_json(_changed(made))
        return
    print_text(f"Log {made.keys.origin} signs with old and new keys; {made.committed.size:,} entries.")
    for key in made.keys.new:
        print_text(f"  new: {_kind(key)}")
        print_text(f"    {key}")
    print_text(f"1. Back up the keys: {keys_folder(place)}")
    print_text("2. Give each witness both new keys, by a second way: --log KEY, beside the old ones")
    print_text(f"3. Give readers, monitors and auditors the new policy: {log_folder(place) / 'policy'}")
    print_text("4. When they have it: groundrule ledger key retire --dry-run, then without --dry-run")


@app.command(name="retire")
def retire_(
    home: HomeOption = DEFAULT_HOME,
    reason: Annotated[
        Reason, typer.Option("--reason", help="Why; revoked and compromised raise an alert at every monitor.")
    ] = Reason.ROTATED,
    dry_run: DryRun = False,
    unwitnessed: Unwitnessed = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Put the old keys away: recorded in the log, their private halves destroyed; what they signed stays proved.

    Whoever knows the old keys alone cannot check what comes after. Refused while the witnesses do not know the new keys.
    """
    place = Home.open(home)
    present = keys_of(place)
    if dry_run:
        with place.writer():
            asked = ask_witnesses(place, clock=time.time_ns)
        _plan(
            place, present, "" if asked.quorum else f"the witnesses do not know the new keys: {'; '.join(asked.trouble)}", as_json,
            (f"record `key-event` {reason.value} for {len(present.old)} old keys, under both generations, and have it witnessed",
             f"destroy the old private keys in {keys_folder(place)}", "sign with the new keys alone",
             f"say in {log_folder(place) / 'policy'} since when the old ones sign nothing; their lines stay for old proofs"),
            took=asked.took,
        )  # fmt: skip
        return
    if not yes and not typer.confirm(f"Destroy {len(present.old)} old private keys of {present.origin}?", err=True):
        raise typer.Exit(1)
    with place.writer():
        made = retire(place, event=reason.value, clock=time.time_ns, unwitnessed=unwitnessed)
    if as_json:
        print_json(_changed(made))
        return
    print_text(f"Log {made.keys.origin} signs with its new keys alone; {made.committed.size:,} entries.")
    print_text(f"  Give readers the policy once more: {log_folder(place) / 'policy'}. Backups of keys that hold the old ones can go.")
    if reason is not Reason.ROTATED:
        warn("Every monitor that trusts an old key raises an alert now; who needs no old proof strikes its line from the policy.")


def _plan(place: Home, present: LogKeys, in_the_way: str, as_json: bool, steps: tuple[str, ...], *, took: tuple[str, ...] = ()) -> None:
    witnesses = sorted(policy_of(place).witnesses)
    if as_json:
        print_json(
            {"dry_run": True, "steps": list(steps), "in_the_way": in_the_way or None, "witnesses": witnesses, "took": list(took),
             **_dict(present)}
        )  # fmt: skip
    else:
        print_text(f"Log {present.origin}. This would:")
        for number, step in enumerate(steps, 1):
            print_text(f"  {number}. {step}")
        print_text(f"Witnesses of the policy: {', '.join(witnesses) or 'none'}{f'; know the new keys: {_listed(took)}' if took else ''}")
        if present.begun:
            warn(f"a change was interrupted: groundrule ledger key {present.begun} goes on from there")
        if in_the_way:
            warn(f"Not now: {in_the_way}")
    if in_the_way:
        raise typer.Exit(1)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(sorted(names))


def _kind(key: VerifierKey) -> str:
    return "Ed25519" if key.type == ED25519 else "ML-DSA-44"


def _dict(found: LogKeys) -> dict[str, Any]:
    return {
        "origin": found.origin, "old": [str(key) for key in found.old], "new": [str(key) for key in found.new],
        "ended": [str(key) for key in found.ended], "begun": found.begun,
    }  # fmt: skip


def _changed(made: Changed) -> dict[str, Any]:
    return {**_dict(made.keys), "size": made.committed.size, "accepted": made.committed.accepted, "published": made.committed.published}
