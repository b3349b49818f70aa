"""Labels: which terminals should be served, as far as somebody knows; to compare two policies with the truth.

A CSV file with the columns `terminal_id` and `serve`, which is `yes` or `no`. Labels are read for a comparison and kept nowhere:
neither the home nor the log has them.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from groundrule.errors import InputError, StoreError

WORDS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
MAX_BYTES: Final = 200_000_000


def read_truth(path: Path) -> dict[str, bool]:
    """Return whether each labelled terminal should be served, by id.

    Raises:
        InputError: the file is not what it must be; the line is named. StoreError: it cannot be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"`{path}` has more than {MAX_BYTES:,} bytes", help="label fewer terminals")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"`{path}` is not UTF-8: byte {error.start}", help="save it as UTF-8") from None
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error
    reader = csv.DictReader(text.splitlines())
    if not {"terminal_id", "serve"} <= set(reader.fieldnames or ()):
        raise InputError(f"`{path}` lacks the column `terminal_id` or `serve`", help="terminal_id,serve with yes or no")
    found: dict[str, bool] = {}
    for row in reader:
        name, word = (row["terminal_id"] or "").strip(), (row["serve"] or "").strip().casefold()
        if not name or word not in WORDS:
            raise InputError(
                f"`{path}`:{reader.line_num}: `{name[:60]}`, `{word[:20]}` is no label",
                help="a terminal, and yes if it should be served or no if not",
            )
        if found.setdefault(name, WORDS[word]) is not WORDS[word]:
            raise InputError(f"`{path}`:{reader.line_num}: `{name[:60]}` is labelled yes and no", help="label it once")
    if not found:
        raise InputError(f"`{path}` labels no terminal", help="terminal_id,serve with yes or no")
    return found
