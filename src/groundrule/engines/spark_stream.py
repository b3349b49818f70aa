"""Files that land in a folder, handed on in batches, each file in one of them: Spark's Structured Streaming says which and when.

    FOLDER of files ──► file source, its log of files and offsets ──► batch N: paths ──► whoever decides them ──► batch N is done

Spark alone looks for files, and remembers in its checkpoint which file is in which batch. A batch that was handed on and not acknowledged
is handed on again, with the same number and the same files; whoever decides knows by query and number what was decided already. Names that
begin with `.` or `_` are not looked at, so a file is written under such a name and renamed when it is whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from groundrule.engines.spark_session import SparkFailed, first_line
from groundrule.store.observations import SUFFIXES

EVER: Final = "36500d"
"""How old a file may be beside the newest one: Spark would leave out older ones without a word."""
_FILES: Final = "path string, modificationTime timestamp, length long, content binary"
_POLL_S: Final = 0.5

Decide = Callable[[list[Path], str, int], None]
"""Given files, the id of the query, which stays the same as long as its checkpoint, and the number of the batch, from 0."""


class FileStream:
    """Files that land.

    Args:
        session: a `SparkSession`.
        landing: the folder in which they land.
        checkpoint: where Spark remembers which files were in which batch.
        files_a_batch: most files of one batch.
    """

    def __init__(self, session: Any, landing: Path, checkpoint: Path, files_a_batch: int) -> None:
        self._session, self._landing, self._checkpoint, self._most = session, landing.resolve(), checkpoint.resolve(), files_a_batch
        self._busy, self._ends = threading.Lock(), threading.Event()
        self._raised: BaseException | None = None

    def stop(self) -> None:
        """End after the batch that is under way."""
        self._ends.set()

    def run(self, decide: Decide, *, once: bool, every_s: float) -> None:
        """Hand files on until told to end.

        Args:
            decide: is given each batch; what it raises ends the stream and is raised here.
            once: end when all files that are there have been handed on.
            every_s: how often is looked for new files [s].
        Raises:
            SparkFailed: Spark ended the stream.
        """
        endings = ",".join(SUFFIXES)
        files = (
            self._session.readStream.format("binaryFile").schema(_FILES).option("recursiveFileLookup", "true").option("maxFileAge", EVER)
            .option("pathGlobFilter", f"*{{{endings}}}").option("maxFilesPerTrigger", self._most).load(str(self._landing))
            .select("path")  # and not the content, which Spark does not read then
        )  # fmt: skip
        query: Any = None

        def batch(frame: Any, number: int) -> None:
            with self._busy:
                if self._ends.is_set():
                    raise _Ended
                paths = sorted(_path(row.path) for row in frame.collect())
                try:
                    decide(paths, _query_id(self._checkpoint), number)
                except BaseException as error:
                    self._raised = error
                    raise

        trigger = {"availableNow": True} if once else {"processingTime": f"{round(every_s * 1000)} milliseconds"}
        try:
            query = files.writeStream.foreachBatch(batch).option("checkpointLocation", str(self._checkpoint)).trigger(**trigger).start()
            while not query.awaitTermination(_POLL_S):
                if self._ends.is_set():
                    break
        except Exception as error:  # Spark raises what it likes
            if self._raised is None and not self._ends.is_set():
                raise SparkFailed(f"the stream on Spark ended: {first_line(error)}") from error
        finally:
            # Nobody is interrupted in mid-batch.
            with self._busy:
                if query is not None:
                    query.stop()
        if self._raised is not None:
            raise self._raised


class _Ended(Exception):
    """The stream was told to end; the batch is handed on again by the next one."""


def _query_id(checkpoint: Path) -> str:
    """What Spark calls a query as long as its checkpoint is kept."""
    return (checkpoint / "metadata").read_text(encoding="utf-8").strip()


def _path(text: str) -> Path:
    """The path of a local file, as Spark writes it: `file:/…`, with nothing in it coded."""
    return Path("/" + text.removeprefix("file:").lstrip("/"))
