"""Why an act is refused: a code for programs, a sentence for people.

Judges return a `Refusal` where the answer is a value, and raise `ConflictError` made from one where the act cannot go
on. The code travels in the error's context, so that the refused act is logged with its reason and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundrule.errors import ConflictError, GroundruleError

CLOCK_TOLERANCE_NS = 5_000_000_000
"""How far two clocks may differ before a time counts as wrong (governance specification, section 7)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason against an act.

    Attributes:
        code: stable, `[a-z_]+`.
        sentence: one line, lower case, without a final period.
        context: named facts; ids, digests and times only, never the name of a person.
    """

    code: str
    sentence: str
    context: Mapping[str, object] = field(default_factory=dict)

    def error(self, help: str | None = None) -> ConflictError:  # noqa: A002 - the field's name
        """Return the exception that carries this refusal."""
        return ConflictError(self.sentence, help=help, refusal=self.code, **self.context)


def refuse(code: str, sentence: str, *, help: str | None = None, **context: object) -> ConflictError:  # noqa: A002
    """Return the exception of a refusal, to be raised."""
    return Refusal(code, sentence, context).error(help)


def code_of(error: GroundruleError) -> str:
    """Return the code of a refused act; input that cannot be read has the code of its error."""
    return str(error.context.get("refusal", error.code))
