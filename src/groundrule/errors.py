"""Every exception that Groundrule raises on purpose.

    GroundruleError            carries code, help (a separate sentence) and context fields
    ├ InputError(ValueError)   bad input: file, line, field, value and what would be right
    │ ├ MalformedRule          a rulebook error with line and column
    │ ├ MalformedArea          a feature that cannot be used, with the reason
    │ ├ MalformedElements      an orbital element set that cannot be used, or a file without a usable one
    │ ├ UnknownSatellite       a catalogue number that no loaded element set has
    │ ├ StaleElements          elements whose epoch is too far from the instant of use, before or after
    │ ├ NaiveTime              a time without a zone
    │ └ OutOfRange             a number outside its interval
    ├ ConflictError            the state already held contradicts the request
    ├ StoreError               wraps every exception of a storage backend
    ├ IntegrityError           stored bytes do not match their digest
    │ └ ProofFailed            a proof, signature, quorum or commitment does not hold
    └ MissingExtra             an optional package is not installed

A verdict (deny, review) is a value and never an exception. Only the command line turns these into exit codes.
"""

from __future__ import annotations

from typing import Any, ClassVar


class GroundruleError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: one line, lower case, without a final period; user text in backticks.
        help: a separate sentence that says what would be right, or None.
        context: named facts (file, line, field, value) for programs.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, help: str | None = None, **context: Any) -> None:  # noqa: A002 - the field's name
        super().__init__(message)
        self.message = message
        self.help = help
        self.context = context

    def __str__(self) -> str:
        return self.message if self.help is None else f"{self.message}; {self.help}"


class InputError(GroundruleError, ValueError):
    """Input that cannot be used as it is."""

    code = "bad_input"
    exit_code = 2


class MalformedRule(InputError):
    """A rulebook that cannot be understood, with the place in its text.

    Args:
        message: what is wrong.
        file: name of the rulebook.
        line: 1-based line, or 0 when unknown.
        column: 1-based column, or 0 when unknown.
        help: what would be right.
    """

    code = "malformed_rule"

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        help: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(message, help=help, file=file, line=line, column=column)
        self.file, self.line, self.column = file, line, column

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        text = f"{where}: {self.message}" if where else self.message
        return text if self.help is None else f"{text}; {self.help}"


class MalformedArea(InputError):
    """A polygon feature that cannot be used."""

    code = "malformed_area"


class MalformedElements(InputError):
    """An orbital element set that cannot be used, or a file without a usable one."""

    code = "malformed_elements"


class UnknownSatellite(InputError):
    """A catalogue number that no loaded element set has."""

    code = "unknown_satellite"


class StaleElements(InputError):
    """Elements whose epoch is too far from the instant of use, before it or after it; the context has age and limit."""

    code = "stale_elements"


class NaiveTime(InputError):
    """A time without a zone; Groundrule never guesses one."""

    code = "naive_time"


class OutOfRange(InputError):
    """A number outside the interval that its meaning allows."""

    code = "out_of_range"


class ConflictError(GroundruleError):
    """The state already held contradicts the request; the context carries it."""

    code = "conflict"
    exit_code = 2


class StoreError(GroundruleError):
    """A storage backend failed; the cause is chained."""

    code = "store"


class IntegrityError(GroundruleError):
    """Stored bytes do not match the digest that was recorded for them."""

    code = "integrity"
    exit_code = 1


class ProofFailed(IntegrityError):
    """A proof, signature, quorum or commitment does not hold."""

    code = "proof_failed"


class MissingExtra(GroundruleError):
    """An optional package is not installed."""

    code = "missing_extra"
    exit_code = 2

    def __init__(self, extra: str, *, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs an optional package",
            help=f"install it with: pip install 'groundrule[{extra}]'",
            extra=extra,
        )
