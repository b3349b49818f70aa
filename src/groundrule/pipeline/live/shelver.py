"""Makes shelves of history (`store.shelving`) beside a service, so that one terminal's past is found at once."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from typing import Final

from groundrule.errors import GroundruleError
from groundrule.pipeline.manifests import runs
from groundrule.store.home import Home
from groundrule.store.shelving import shelve

_LOG: Final = logging.getLogger(__name__)
NICENESS: Final = 15
"""Its thread gives way to those that answer, where the system lets threads differ."""


class Shelver:
    """A thread that makes shelves whenever a run was made; `wake` begins it.

    Args:
        home: whose history.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._wanted = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="shelves", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is new history."""
        self._wanted.set()

    def close(self) -> None:
        """Give up what is under way, and end."""
        self._ended = True
        self._wanted.set()
        self._thread.join()

    def _work(self) -> None:
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._ended:
                return
            try:
                shelve(self._home, runs(self._home), stop=lambda: self._ended)
            except (GroundruleError, OSError) as error:
                # Nothing needs them: where the cache is full or gone, the files of history are read.
                _LOG.warning("copies of history could not be made", exc_info=error)
            except Exception:  # noqa: BLE001 - whatever it met, the next run is tried again
                _LOG.exception("copies of history could not be made")
