"""Witnesses for the demo: processes of their own, each with its own keys and memory, on this machine's loopback.

They run the program that a real witness would run. What they lack is what makes a witness worth something: that somebody
else runs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from groundrule.errors import StoreError
from groundrule.ledger.note import COSIGNATURE_ED25519, VerifierKey
from groundrule.ledger.policy import Policy

NAMES: Final = ("north", "east", "south")
QUORUM: Final = 2
END_S: Final = 10.0
"""How long a witness may take to end [s]."""
START_S: Final = 60.0
"""How long a witness may take to start on a busy machine [s]."""


class DemoWitnesses:
    """Three witness processes; a context manager that starts them, without waiting for them, and ends them.

    Args:
        folder: where they keep keys and memory.
        log_vkeys: keys of the log that they follow.
    """

    def __init__(self, folder: Path, log_vkeys: Sequence[str]) -> None:
        self._folder, self._vkeys = folder, log_vkeys
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def _start(self) -> None:
        for name in NAMES:
            place = self._folder / name
            place.mkdir(parents=True)
            options = [option for vkey in self._vkeys for option in ("--log", vkey)]
            command = [
                sys.executable, "-m", "groundrule", "ledger", "witness", "--name", f"{name}.witness.example",
                "--keys", str(place / "keys"), "--state", str(place / "state"), "--ready-file", str(place / "ready.json"),
            ]  # fmt: skip
            with self._log(name).open("wb") as said:
                self._processes[name] = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
                    [*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
                )

    def policy(self) -> str:
        """Wait until all take requests, and return the policy file that trusts any QUORUM of them."""
        found = []
        end_s = time.monotonic() + START_S
        for name, process in self._processes.items():
            ready = self._folder / name / "ready.json"
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > end_s:
                    raise StoreError(
                        f"the witness `{name}` of the demo did not start", help=f"its last words are in {self._log(name)}"
                    )
                time.sleep(0.05)
            told = json.loads(ready.read_bytes())
            keys = [vkey for vkey in told["vkeys"] if VerifierKey.parse(vkey).type == COSIGNATURE_ED25519]
            found.append((name, keys[0], told["url"]))
        return Policy.format_simple(self._vkeys, found, QUORUM)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self._folder / name / "stderr.txt"
