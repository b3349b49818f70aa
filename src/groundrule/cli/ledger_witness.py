"""`groundrule ledger witness` and `groundrule ledger conform`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.output import OutputJson, print_json, print_table, print_text, progress, warn
from groundrule.errors import ConflictError, InputError
from groundrule.ledger.conform import FileResult
from groundrule.ledger.conform import conform as run_vectors
from groundrule.ledger.note import VerifierKey
from groundrule.ledger.policy import Policy
from groundrule.ledger.witness import FileWitnessStore, Witness
from groundrule.ledger.witness_keys import open_signers
from groundrule.ledger.witness_server import serve


def witness(
    name: Annotated[str, typer.Option("--name", help="Name that your cosignatures carry: a URL without scheme.")],
    keys: Annotated[
        Path,
        typer.Option("--keys", help="Private keys: a file, or a folder for it. Made on the first start, mode 0600."),
    ],
    state: Annotated[
        Path, typer.Option("--state", help="Folder that remembers what was cosigned. As important as the keys.")
    ],
    log: Annotated[
        list[str] | None, typer.Option("--log", help="Verifier key of a log to follow; once per key, repeatable.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Policy file whose `log` lines are followed as well.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="TCP port; 0 takes a free one.")] = 0,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            "--ready-file", help="File that is written, as JSON with address and keys, once requests are taken."
        ),
    ] = None,
    seen: Annotated[
        list[Path] | None,
        typer.Option(
            "--seen", help="Checkpoint that carries your cosignature: after a restore, never go back behind it."
        ),
    ] = None,
    new_state: Annotated[
        bool,
        typer.Option("--new-state", help="Begin a state folder for keys that were made elsewhere and never signed."),
    ] = False,
    as_json: OutputJson = False,
) -> None:
    """Witness somebody else's log: cosign its checkpoints as long as it only grows. Serves until it is stopped."""
    log_keys = _log_keys(log or [], policy)
    with FileWitnessStore(state) as store:
        signers = open_signers(keys, name, store, new_state=new_state)
        keeper = Witness(name, signers, log_keys, store, lambda: int(time.time()))
        for file in seen or []:
            moved = keeper.remember(file.read_bytes())
            warn(f"{file}: {'the record was moved forward to it' if moved else 'already known'}")
        answers: Counter[tuple[str, int]] = Counter()
        started = {
            "name": name,
            "vkeys": [str(key) for key in keeper.keys],
            "origins": list(keeper.origins),
            "pid": os.getpid(),
        }

        def ready(taken_port: int) -> None:
            shown = f"[{host}]" if ":" in host else host
            told = {"url": f"http://{shown}:{taken_port}", "port": taken_port, **started}
            _announce(told, as_json)
            if ready_file is not None:
                _write_whole(ready_file, json.dumps(told))

        with _stopped_by_signals() as stop:
            try:
                serve(
                    keeper, host, port, ready, stop=stop, report=lambda route, status: answers.update([(route, status)])
                )
            except OSError as error:
                raise ConflictError(
                    f"cannot listen on {host}, port {port}: {error.strerror or error}",
                    help="take another --host or --port",
                ) from error
            finally:
                if ready_file is not None:
                    with suppress(OSError):
                        ready_file.unlink()
        refused = sum(
            count for (route, status), count in answers.items() if route == "add-checkpoint" and status != 200
        )
        warn(f"stopped; {answers['add-checkpoint', 200]:,} checkpoints cosigned, {refused:,} refused")


def conform(
    folder: Annotated[Path, typer.Argument(help="Folder of test vectors, or of such folders.")],
    as_json: OutputJson = False,
) -> None:
    """Run test vectors of transparency logs and print passed, failed and skipped for each file.

    Ends with 1 if a case fails and with 2 if a vector file is broken.
    """
    with progress() as step:
        results = run_vectors(folder, progress=lambda _name: step("checking vectors", 1))
    if as_json:
        print_json(_as_json(results))
    else:
        _print_results(results)
    if any(result.broken for result in results):
        raise typer.Exit(2)
    if any(result.failed for result in results):
        raise typer.Exit(1)


def _log_keys(vkeys: Sequence[str], policy: Path | None) -> dict[str, list[VerifierKey]]:
    found: dict[str, list[VerifierKey]] = {}
    parsed = [VerifierKey.parse(text.strip()) for text in vkeys]
    if policy is not None:
        parsed += Policy.parse(policy.read_bytes()).log_keys
    for key in dict.fromkeys(parsed):
        found.setdefault(key.name, []).append(key)
    if not found:
        raise InputError("no log is named", help="give its verifier key with --log, or a policy file with --policy")
    return found


def _announce(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        print_text(f"witness `{told['name']}` at {told['url']}")
        for vkey in told["vkeys"]:
            print_text(f"  {vkey}")
        for origin in told["origins"]:
            print_text(f"  follows {origin}")
    sys.stdout.flush()


def _write_whole(file: Path, text: str) -> None:
    """Write a file so that whoever waits for it never reads half of it."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(file)


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_results(results: Sequence[FileResult]) -> None:
    known = [result for result in results if result.known]
    rows: list[list[Any]] = [
        [result.file, result.passed, len(result.failed), len(result.skipped), len(result.broken)] for result in known
    ]
    rows.append(["total", *(sum(row[column] for row in rows) for column in range(1, 5))])
    print_table(["file", "passed", "failed", "skipped", "broken"], rows)
    for result in known:
        for failure in result.failed:
            print_text(f"FAILED   {result.file}: {failure.desc}: {failure.what}", style="red")
        for line in result.broken:
            print_text(f"BROKEN   {line}", style="red")
        for desc, reason in result.skipped:
            print_text(f"skipped  {result.file}: {desc}: {reason}")
    for result in results:
        if not result.known:
            print_text(f"unknown  {result.file}: no check knows this file; nothing in it was run")


def _as_json(results: Sequence[FileResult]) -> dict[str, Any]:
    known = [result for result in results if result.known]
    return {
        "files": [
            {
                "file": result.file,
                "passed": result.passed,
                "failed": [{"case": failure.desc, "what": failure.what} for failure in result.failed],
                "skipped": [{"case": desc, "reason": reason} for desc, reason in result.skipped],
                "broken": list(result.broken),
            }
            for result in known
        ],
        "unknown": [result.file for result in results if not result.known],
        "passed": sum(result.passed for result in known),
        "failed": sum(len(result.failed) for result in known),
        "skipped": sum(len(result.skipped) for result in known),
        "broken": sum(len(result.broken) for result in known),
    }
