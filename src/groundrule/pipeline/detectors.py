"""The detectors of a home: which there are, with the thresholds of its rulebook."""

from __future__ import annotations

from collections.abc import Mapping

from groundrule.detect.company import Company
from groundrule.detect.motions import Motions
from groundrule.detect.navigation import Navigation
from groundrule.detect.rows import Facts
from groundrule.detect.service import Service
from groundrule.detect.settings import settings_of
from groundrule.detect.signals import KINDS
from groundrule.detect.straw import Registrations
from groundrule.detect.ties import Ties
from groundrule.detect.whereabouts import Whereabouts
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.detecting import Detection, Detector, Gathering
from groundrule.pipeline.heard import SIGNAL_CAUSES
from groundrule.pipeline.judge import Basis
from groundrule.pipeline.surroundings import Surroundings
from groundrule.pipeline.terminal_facts import facts_of, ties_of
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

    at: list[int] = []

    def ties(known: Facts) -> Ties:
        if home is None:
            return Ties.unknown(len(known))
        with Registers.open(home) as registers:
            return ties_of(known, registers, valid_at_ns=at[-1], recorded_at_ns=recorded_at_ns)

    def facts(around: Surroundings, epoch: int, at_ns: int) -> Facts:
        at[:] = [at_ns]
        if home is None:
            return facts_of(basis.registers, None, around.number_of, epoch=epoch, valid_at_ns=at_ns)
        with Registers.open(home) as registers:
            return facts_of(
                basis.registers, registers, around.number_of, epoch=epoch, valid_at_ns=at_ns, recorded_at_ns=recorded_at_ns
            )

    whereabouts = Whereabouts(settings.whereabouts)
    watching: list[Detector] = [Motions(settings.motion), whereabouts, Navigation(settings.navigation)]
    gathering: list[Gathering] = [Company(whereabouts, settings.company), Registrations(whereabouts, settings.straw, ties=ties)]
    if spared is None:
        spared = {} if home is None else CaseDesk(home).spared()
    return Detection(
        basis, facts, watching, gathering=gathering, afterwards=[Service(settings.service)], account_settings=settings.accounts,
        ties=ties, spared=spared,
    )  # fmt: skip
