"""What a reader sees at a glance: marks that are explained and stand apart, breaks in time, nothing printed twice, times in order."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import shapely

from groundrule.areas.model import Area
from groundrule.evidence.dossier import Phrase, Section, Source, Standing, Statement, SubjectKind, Times
from groundrule.evidence.render.page import page_html, timeline
from groundrule.evidence.render.page_parts import EVENTS, first_of_each_act, opens_terminal
from groundrule.evidence.render.timeline_svg import APART, LONG_NS, timeline_legend, timeline_svg
from groundrule.evidence.render.words import LANGUAGES, words
from groundrule.pipeline.dossiers.service import area_version
from sample_dossier import NO_COAST, sample

DAY = 86_400_000_000_000
AT = 20_000 * DAY
PROOF = (Source("log_entry", "entry:1"),)


def acts(*instants: int) -> Section:
    """Many acts, each of its own entry and of two sentences."""
    return Section(
        "decided",
        tuple(
            Statement(f"s{2 * n + half + 1}", Standing.RECORDED, Phrase("proposal_no_request"), Times(recorded_at_ns=at),
                      (Source("log_entry", f"entry:{n}"),))
            for n, at in enumerate(instants) for half in (0, 1)
        ),
    )  # fmt: skip


def test_marks_of_one_row_stand_apart_so_that_their_numbers_can_be_read() -> None:
    crowd = replace(sample(), sections=(acts(AT, *(AT + 2 * DAY + n * 1_000_000_000 for n in range(9)), AT + 4 * DAY),), decisions=())
    picture = timeline_svg(crowd, words("en"))
    assert picture is not None
    places = sorted(float(x) for x in re.findall(r'<circle cx="([\d.]+)"', picture))
    assert len(places) > 3
    assert min(np.diff(places)) >= APART - 0.5
    counts = [int(text) for text in re.findall(r'font-weight="bold"[^>]*>(\d+)</text>', picture)]
    assert sum(counts) == 22, "none is left out of the count"


def test_every_mark_in_the_picture_is_explained_below_it() -> None:
    for language in LANGUAGES:
        made, said = sample(), words(language)
        legend = [text for _, text in timeline_legend(made, said)]
        kinds = {each.standing.value for section in made.sections if section.key in EVENTS[:-1] for each in section.statements
                 if each.times.order_ns is not None and each.standing is not Standing.UNKNOWN}  # fmt: skip
        assert set(legend) == {said("standings", kind) for kind in kinds} | {said("answers", row.outcome) for row in made.decisions}
        page = page_html(made, language=language, outlines=NO_COAST).decode()
        shown = page[page.index('id="picture"') :]
        shown = shown[: shown.index("</figure>")]
        assert all(text in shown[shown.index('class="legend"') :] for text in legend)


@pytest.mark.parametrize(("gap", "broken"), [(DAY, False), (LONG_NS, True), (400 * DAY, True)])
def test_a_long_gap_is_drawn_as_a_break(gap: int, broken: bool) -> None:
    picture = timeline_svg(replace(sample(), sections=(acts(AT, AT + gap),), decisions=()), words("en"))
    assert picture is not None
    assert ("l3 6l-6 6l3 6" in picture) is broken


def test_time_tells_each_act_once_and_nothing_that_was_computed() -> None:
    made = replace(sample(), sections=(acts(AT, AT + DAY), Section("findings", (
        Statement("s9", Standing.INFERENCE, Phrase("contact_not_vouched"), Times(recorded_at_ns=AT), PROOF),))))  # fmt: skip
    assert [each.id for _, each in first_of_each_act(made, timeline(made))] == ["s1", "s3"]


def test_acts_within_a_minute_keep_their_order_in_what_is_shown() -> None:
    made = replace(sample(), sections=(acts(AT, AT + 1_000_000_000),), decisions=())
    page = page_html(made, outlines=NO_COAST).decode()
    assert "00:00:00 UTC" in page
    assert "00:00:01 UTC" in page


def test_an_area_is_shown_whole_unless_it_is_a_country() -> None:
    window = shapely.box(5, 5, 7, 7)
    small = Area("strip", "zone", "Strip (invented)", shapely.box(6, 6, 9, 8))
    large = Area("wide", "zone", "Wide (invented)", shapely.box(0, 0, 40, 40))
    assert shapely.from_wkb(area_version(small, window).wkb).equals(small.geometry)
    assert shapely.from_wkb(area_version(large, window).wkb).equals(window)


def test_who_reads_a_change_sees_both_wordings_with_their_times() -> None:
    page = page_html(sample(kind=SubjectKind.CHANGE), outlines=NO_COAST).decode()
    assert words("en")("page", "rulebook_help") in page


def test_a_receipt_that_does_not_open_the_terminal_is_known_by_its_bytes() -> None:
    import base64

    def receipt(*names: str) -> bytes:
        fields = ",".join(f'{{"name":"{name}","salt":"","value":1}}' for name in names)
        return b"c2sp.org/tlog-proof@v1\nextra " + base64.b64encode(f'{{"fields":[{fields}]}}'.encode()) + b"\nindex 1\n"

    whole, closed = receipt("outcome", "terminal_id"), receipt("outcome")
    assert opens_terminal({"proofs/receipt-1.tlog-proof": whole})
    assert not opens_terminal({"proofs/receipt-1.tlog-proof": whole, "proofs/receipt-2.tlog-proof": closed})
    assert not opens_terminal({"proofs/entry-1.tlog-proof": whole})
