"""What detectors share that keep nothing for each terminal."""

from __future__ import annotations

from groundrule.detect.signals import Signal
from groundrule.detect.whereabouts import Name


class WithoutMemory:
    """A detector that needs no memory for each terminal, and holds nothing back until time goes on."""

    __slots__ = ()

    @property
    def nbytes(self) -> int:
        """Memory for terminals [bytes]."""
        return 0

    def grow(self, terminals: int) -> None:
        """Make room for terminals: there is nothing to make."""

    def finish(self, name: Name) -> list[Signal]:  # noqa: ARG002 - others need it
        """Return what was held back; the stream has ended."""
        return []
