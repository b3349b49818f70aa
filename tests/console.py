"""Commands as a user types them, run in this process."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import Any

from groundrule.cli import main


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def groundrule(*arguments: object) -> Answer:
    """Run one command in this process, as the console script does."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["groundrule", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                code = 0
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else 0
    finally:
        sys.argv = before
    return Answer(code, out.getvalue(), err.getvalue())


def refused(answer: Answer, *words: str) -> None:
    """Exit 2, one clear line on stderr with these words, no traceback."""
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err, answer.err
