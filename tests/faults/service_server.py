"""Forks one process after the other, each of which is the whole service, so that it can be killed.

    python service_server.py        reads one JSON command per line, answers in JSON lines

What a forked process runs is what `groundrule serve` runs, with its sockets, threads and files; only how often it looks at its health
is changed, so that nobody waits for it. Modules and compiled kernels are loaded once, before the first fork.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from live_server import START_NS, batch
from told_lines import say, say_ended, watched

from groundrule.api import serving
from groundrule.api.settings import RateLimit, Settings
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live import Live, LiveSettings
from small_home import make_home


def serve(home: str, port: int, commit_every_s: float) -> None:
    """Be the service."""
    serving.LiveSettings = partial(LiveSettings, check_every_s=0.3)  # type: ignore[misc,assignment]  # this process is for it
    rates = {name: RateLimit(1e6, 1_000_000) for name in ("none", "session", "key", "oidc")}
    settings = Settings(port=port, commit_every_s=commit_every_s, rates=rates)
    serving.serve({"default": Path(home)}, settings, said=lambda _link: say(listening=port))


def warm() -> None:
    """Load compiled kernels; every thread ends here."""
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home", ledger=LedgerSetup())
        with Live.open(home, clock=lambda: START_NS + 30 * 86_400 * 10**9) as live:
            live.submit(batch(1), source="warm", key="warm").result(60)


def main() -> None:
    warm()
    for line in sys.stdin:
        command = json.loads(line)
        process = os.fork()
        if process == 0:
            watched()
            say(pid=os.getpid())
            code = 3
            try:
                serve(**command)
                code = 0
            except BaseException as error:  # noqa: BLE001 - told, whatever it is
                say(error=type(error).__name__, message=str(error))
            finally:
                os._exit(code)
        _, status = os.waitpid(process, 0)
        say_ended(status)


if __name__ == "__main__":
    main()
