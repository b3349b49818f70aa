"""How long a home keeps what it has written, by class of data, as somebody set it.

It lies in `HOME/retention.json`: days by class; a class that is not there is kept for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from groundrule.errors import InputError, IntegrityError, StoreError
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

VERSION: Final = 1
LEAST_DAYS: Final = 7
"""Nothing younger leaves because of its age: late observations count for 72 h, and aggregates count a day 72 h after its end."""
MOST_DAYS: Final = 36_500
AGES: Final[Mapping[str, str]] = {
    "rejected": "rows that could not be used, by the age of their file",
    "over_late": "observations that came too late to be decided",
    "raw": "replies of a telemetry stream as they came",
    "signals": "signals of detectors, with their withdrawals",
    "verifications": "what radio says of positions, beside the decisions",
    "alerts": "when alerts of terminals opened and closed",
}
"""Classes of rows that leave by their own age, and what they are."""
UNREGISTERED, REGISTERED, PROTECTED = "unregistered", "registered", "protected"
UNSEEN: Final[Mapping[str, str]] = {
    UNREGISTERED: "terminals that no register knows, after they were seen last",
    REGISTERED: "terminals of the registers that belong to no protected class, likewise",
    PROTECTED: "terminals of protected classes, likewise",
}
"""Classes of terminals of which everything leaves when they have not been seen for so long, and what they are."""
CLASSES: Final[Mapping[str, str]] = {**UNSEEN, **AGES}


def read_retention(home: Home) -> dict[str, int]:
    """Return for how many days each class is kept; a class that is not there, for ever.

    Raises:
        IntegrityError: the file is damaged. StoreError: it cannot be read.
    """
    path = home.path / "retention.json"
    try:
        told = json.loads(path.read_bytes())
        days = {str(name): int(number) for name, number in told["days"].items()}
        if told["v"] != VERSION or not all(name in CLASSES and LEAST_DAYS <= number <= MOST_DAYS for name, number in days.items()):
            raise ValueError(told)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(
            f"`{path}` is damaged", help="set it again with: groundrule history retention CLASS=DAYS", path=str(path)
        ) from error
    return {name: days[name] for name in CLASSES if name in days}


def write_retention(home: Home, days: Mapping[str, int]) -> None:
    """Write for how many days each class is kept; the caller holds the home's write lock.

    Raises:
        InputError: an unknown class, or a number that is too small or too large.
    """
    for name, number in days.items():
        if name not in CLASSES:
            raise InputError(f"there is no class `{name[:40]}`", help=f"known are {', '.join(CLASSES)}")
        if not LEAST_DAYS <= number <= MOST_DAYS:
            raise InputError(
                f"`{name}` for {number} days",
                help=f"from {LEAST_DAYS} days on: late observations count for 72 h, and aggregates are made 72 h after a day; "
                f"at most {MOST_DAYS:,}, or `ever`",
            )
    ordered = {name: days[name] for name in CLASSES if name in days}
    write_durably(home.path / "retention.json", (json.dumps({"v": VERSION, "days": ordered}, indent=1) + "\n").encode())
