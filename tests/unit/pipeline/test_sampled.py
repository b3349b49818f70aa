"""The second evaluator: it takes its share, the draw cannot be guessed, and it finds a decision that was changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundrule.errors import InputError
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.overlay import Measure, Overlay
from groundrule.pipeline.sampled import MAX_SHOWN, Sampler
from groundrule.records import Outcome
from small_home import RECORDED, T0, make_home, observation, stream, table

SECRET = b"0123456789abcdef"


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return Judge(basis_of(make_home(tmp_path_factory.mktemp("sampled") / "home"), recorded_at_ns=RECORDED))


def test_all_of_it_decided_again_comes_to_the_same(judge: Judge) -> None:
    sampler = Sampler(judge, SECRET, share=1)
    for seed in range(3):
        judged = judge.judge(stream(seed, 240).sort_by("observed_at"))
        assert sampler.check(judged) == []
    assert (sampler.found.share, sampler.found.different) == (1.0, 0)


def test_the_share_is_reached_and_hardly_passed(judge: Judge) -> None:
    judged = judge.judge(table([observation(f"t{k}", 1e6 + k % 50, 5.0, 5.0) for k in range(200_000)]))
    for secret in (SECRET, b"another secret...", b"a third one, longer than that"):
        rows = Sampler(judge, secret).drawn(judged)
        assert 0.010 <= len(rows) / 200_000 <= 0.0125
        # No class of terminals is left out: rows are spread over the batch.
        assert np.histogram(rows, 20, (0, 200_000))[0].min() > 50


def test_the_draw_depends_on_the_secret_the_terminal_and_the_time(judge: Judge) -> None:
    judged = judge.judge(table([observation(f"t{k}", 2e6, 5.0, 5.0) for k in range(20_000)]))
    later = judge.judge(table([observation(f"t{k}", 2e6 + 15, 5.0, 5.0) for k in range(20_000)]))
    mine, theirs = Sampler(judge, SECRET), Sampler(judge, b"another secret...")
    first = set(mine.drawn(judged).tolist())
    assert first == set(mine.drawn(judged).tolist())
    for other in (theirs.drawn(judged), mine.drawn(later)):
        # Two independent draws of 1 % share about 1 % of 1 %.
        assert len(first & set(other.tolist())) < 20


def test_a_decision_that_was_changed_is_found(judge: Judge) -> None:
    judged = judge.judge(table([observation(f"u{k}", 3e6, 2.5, 2.5) for k in range(30_000)]))
    assert set(judged.decided.outcome.tolist()) == {int(Outcome.REVIEW)}, "nobody knows whether they have a pass"
    outcome = judged.decided.outcome.copy()
    outcome[:15_000] = Outcome.SERVE
    sampler = Sampler(judge, SECRET)
    found = sampler.check(replace(judged, decided=replace(judged.decided, outcome=outcome)))
    assert sampler.found.different == len(found) > 100
    assert len(sampler.found.differences) == MAX_SHOWN
    assert (found[0].decided, found[0].again) == ("serve", "review")
    assert int(found[0].terminal_id[1:]) < 15_000


def test_what_an_emergency_altered_is_compared_before_it(tmp_path: Path) -> None:
    basis = basis_of(make_home(tmp_path / "home"), recorded_at_ns=RECORDED)
    measure = Measure("emergency-1", "danger_to_life", True, frozenset({"closed"}), frozenset(), (Outcome.SERVE,), T0, T0 + 10**15, T0)
    judge = Judge(replace(basis, overlay=Overlay((measure,))))
    judged = judge.judge(table([observation(f"u{k}", 9_000, 2.5, 2.5) for k in range(500)]))
    assert set(judged.decided.outcome.tolist()) == {int(Outcome.SERVE)}
    sampler = Sampler(judge, SECRET, share=1)
    assert sampler.check(judged) == []
    assert sampler.found.again == 500


def test_too_small_a_share_and_a_secret_that_can_be_guessed_are_refused(judge: Judge) -> None:
    for share in (0.0, 0.0099, 1.01):
        with pytest.raises(InputError, match="share"):
            Sampler(judge, SECRET, share)
    with pytest.raises(InputError, match="secret"):
        Sampler(judge, b"short")


def test_an_empty_batch_is_no_fault(judge: Judge) -> None:
    sampler = Sampler(judge, SECRET)
    assert sampler.check(judge.judge(table([]))) == []
    assert sampler.found.share == 0.0
