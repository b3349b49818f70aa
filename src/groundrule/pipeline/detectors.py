"""The detectors of a home: which there are, with the thresholds of its rulebook."""

from __future__ import annotations

from collections.abc import Mapping

from groundrule.detect.company import Company
from groundrule.detect.motions import Motions
from groundrule.detect.navigation import Navigation
from groundrule.detect.rows import Facts
from groundrule.detect.service import Service
from groundrule.detect.settings import Settings, settings_of
from groundrule.detect.signals import KINDS
from groundrule.detect.straw import Registrations
from groundrule.detect.ties import Ties
from groundrule.detect.whereabouts import Noting, Whereabouts
from groundrule.instant import NS_PER_S
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.detecting import Detection, Detector, Gathering
from groundrule.pipeline.heard import SIGNAL_CAUSES
from groundrule.pipeline.judge import Basis
from groundrule.pipeline.surroundings import Surroundings
from groundrule.pipeline.terminal_facts import facts_of, ties_of
from groundrule.pipeline.watched import Notes, Recalled
from groundrule.rules.model import Compare, In, Rulebook
from groundrule.rules.normal import leaves_of
from groundrule.store.home import Home
from groundrule.store.registers import Registers


def asks_for_signals(book: Rulebook) -> bool:
    """Does some rule test signals?"""
    leaves = (leaf for rule in book.rules for leaf in leaves_of(rule.condition()))
    return any(isinstance(leaf, In | Compare) and leaf.attribute in ("signals", SIGNAL_CAUSES) for leaf in leaves)


def check_detection(book: Rulebook) -> list[str]:
    """Return which signals of a rulebook no detector raises, a sentence each.

    Raises:
        InputError: it states a threshold that there is not.
    """
    settings_of(book.detection)
    found: list[str] = []
    for rule in book.rules:
        for leaf in leaves_of(rule.condition()):
            if isinstance(leaf, In) and leaf.attribute == "signals":
                strange = sorted(leaf.values - {*KINDS, "any"})
                found += [f"rule {rule.id}: no detector raises `{word}`; this never holds" for word in strange]
    return found


def detection_of(
    home: Home | None, basis: Basis, *, recorded_at_ns: int | None = None, spared: Mapping[str, frozenset[str]] | None = None
) -> Detection:
    """Return detection for the observations of a home.

    Args:
        home: whose registers say who holds which terminal; None knows nobody.
        basis: areas, registers and rulebook.
        recorded_at_ns: registers as known then [ns, UTC]; None is now.
        spared: kinds of signals of terminals that count for nothing; None reads the home's cases.
    Raises:
        InputError: the rulebook states a threshold that there is not.
    """
    settings = settings_of(basis.rulebook.detection)
    said = _Said(home, basis, recorded_at_ns)
    whereabouts = Whereabouts(settings.whereabouts)
    if spared is None:
        spared = {} if home is None else CaseDesk(home).spared()
    return Detection(
        basis, said.facts, _watching(settings, whereabouts), gathering=_gathering(settings, whereabouts, said),
        afterwards=[Service(settings.service)], account_settings=settings.accounts, ties=said.ties, spared=spared,
    )  # fmt: skip


def watching_of(home: Home, basis: Basis, *, recorded_at_ns: int, began_ns: int) -> tuple[Detection, Notes]:
    """Return detection for some of the terminals of a home, and what makes notes for `meeting_of`.

    Args:
        home, basis, recorded_at_ns: as for `detection_of`.
        began_ns: the first observation of any terminal [ns, UTC].
    Raises:
        InputError: the rulebook states a threshold that there is not.
    """
    settings = settings_of(basis.rulebook.detection)
    whereabouts = Whereabouts(settings.whereabouts)
    whereabouts.began_s = began_ns // NS_PER_S
    notes = Notes(whereabouts, basis.registers, settings.company.lateness_s)
    said = _Said(home, basis, recorded_at_ns)
    return Detection(basis, said.facts, _watching(settings, whereabouts), gathering=[notes]), notes


def meeting_of(home: Home, basis: Basis, *, recorded_at_ns: int) -> tuple[Detection, Recalled]:
    """Return detection for what all parts of a home's terminals have shown, for `watched.meet`.

    Args:
        home, basis, recorded_at_ns: as for `detection_of`.
    Raises:
        InputError: the rulebook states a threshold that there is not.
    """
    settings = settings_of(basis.rulebook.detection)
    said, recalled = _Said(home, basis, recorded_at_ns), Recalled()
    return Detection(
        basis, said.facts, [recalled], gathering=_gathering(settings, recalled, said), account_settings=settings.accounts, ties=said.ties
    ), recalled


class _Said:
    """What the registers of a home say of terminals."""

    def __init__(self, home: Home | None, basis: Basis, recorded_at_ns: int | None) -> None:
        self._home, self._basis, self._recorded_at_ns = home, basis, recorded_at_ns
        self._at_ns = 0

    def facts(self, around: Surroundings, epoch: int, at_ns: int) -> Facts:
        """See `Detection.facts`."""
        self._at_ns = at_ns
        if self._home is None:
            return facts_of(self._basis.registers, None, around.number_of, epoch=epoch, valid_at_ns=at_ns)
        with Registers.open(self._home) as registers:
            return facts_of(
                self._basis.registers, registers, around.number_of, epoch=epoch, valid_at_ns=at_ns, recorded_at_ns=self._recorded_at_ns
            )

    def ties(self, known: Facts) -> Ties:
        """See `Detection.ties`; as of the instant of the latest facts."""
        if self._home is None:
            return Ties.unknown(len(known))
        with Registers.open(self._home) as registers:
            return ties_of(known, registers, valid_at_ns=self._at_ns, recorded_at_ns=self._recorded_at_ns)


def _watching(settings: Settings, whereabouts: Whereabouts) -> list[Detector]:
    """Those that watch one terminal."""
    return [Motions(settings.motion), whereabouts, Navigation(settings.navigation)]


def _gathering(settings: Settings, noting: Noting, said: _Said) -> list[Gathering]:
    """Those that look at many terminals together."""
    return [Company(noting, settings.company), Registrations(noting, settings.straw, ties=said.ties)]
