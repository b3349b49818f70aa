"""How alike two names are: the compiled comparison of tokens, and what it found.

Flow for one pair of names, the same for one as for millions:
1. each word of one name against each of the other: an edit distance in which slips that people and transliterations
   make (vowels, b p v f, d t, k g q, a letter doubled or dropped) cost less than a full letter;
2. words that are surely alike are paired, the most alike first; then joined words against single ones (`Abdul Rahman`,
   `Abdulrahman`), words that are less alike, initials against words, abbreviations against what they stand for;
3. words left over on both sides contradict each other, words left over on one side are extra;
4. the share of agreeing weight is the score; a name whose letters agree as a whole although the spaces do not is
   recognised by the distance of the whole strings.

The order of the arguments never matters: the names are put in one order first. All costs are in letters.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.screen.costs import LEAVE, REPLACE, SPELT_OTHERWISE, SWAP, WEIGHTS, Weights
from groundrule.screen.names import MAX_TOKENS, TokenKind, Writing
from groundrule.screen.packs import MAX_LETTERS, Pack

SURE = 0.75
"""Likeness from which two words are paired before joined words are tried."""
MAX_WHOLE = 160
"""Letters of a whole name without spaces that are compared."""

_NAME, _INITIAL, _PARTICLE = int(TokenKind.NAME), int(TokenKind.INITIAL), int(TokenKind.PARTICLE)
_HONORIFIC, _LEGAL, _STOP = int(TokenKind.HONORIFIC), int(TokenKind.LEGAL_FORM), int(TokenKind.STOP)
_NUMBER, _PATRONYMIC = int(TokenKind.NUMBER), int(TokenKind.PATRONYMIC)
_ALPHABET, _ABJAD = int(Writing.ALPHABET), int(Writing.ABJAD)
_ROUGH, _SYLLABLES = int(Writing.ROUGH), int(Writing.SYLLABLES)

# Link of a pair of words: how they were found to be the same.
NONE, EXACT, SOUND, EDITED, JOINED, INITIAL, ABBREVIATION = range(7)
LINK_NAMES = ("none", "equal", "sounds_equal", "similar", "joined", "initial", "abbreviation")
_BIN = crc32(b"bin")


@njit(cache=True)
def _distance(a, b, replace, leave, ends, limit, rows):  # type: ignore[no-untyped-def]  # compiled
    """Edit distance with costs, neighbours swapped included.

    a, b: letters; ends: cost of leaving out the first or last letter; rows: scratch (3, MAX_WHOLE + 1). Stops with
    any number above `limit` once the distance must be above it.
    """
    la, lb = len(a), len(b)
    before, last, now = 0, 1, 2
    rows[last, 0] = 0.0
    for j in range(lb):
        rows[last, j + 1] = rows[last, j] + (ends[b[j]] if j == 0 or j == lb - 1 else leave[b[j]])
    for i in range(la):
        leave_a = ends[a[i]] if i == 0 or i == la - 1 else leave[a[i]]
        rows[now, 0] = rows[last, 0] + leave_a
        least = rows[now, 0]
        for j in range(lb):
            best = rows[last, j]
            if a[i] != b[j]:
                best += replace[a[i], b[j]]
            dropped = rows[last, j + 1] + leave_a
            best = min(best, dropped)
            dropped = rows[now, j] + (ends[b[j]] if j == 0 or j == lb - 1 else leave[b[j]])
            best = min(best, dropped)
            if i > 0 and j > 0 and a[i] == b[j - 1] and a[i - 1] == b[j] and a[i] != b[j]:
                swapped = rows[before, j - 1] + SWAP
                best = min(best, swapped)
            rows[now, j + 1] = best
            least = min(least, best)
        if least > limit:
            return least
        before, last, now = last, now, before
    return rows[last, lb]


@njit(cache=True)
def _ends(leave, mode):  # type: ignore[no-untyped-def]  # compiled
    """Arabic and Hebrew write a vowel at the beginning and at the end of a word."""
    return leave[_ALPHABET] if mode == _ABJAD else leave[mode]


@njit(cache=True)
def _native_distance(a, b):  # type: ignore[no-untyped-def]  # compiled
    """Edit distance of two short words in their own script [characters]."""
    la, lb = len(a), len(b)
    row = np.arange(lb + 1).astype(np.float32)
    for i in range(la):
        diagonal = row[0]
        row[0] = i + 1
        for j in range(lb):
            kept = row[j + 1]
            best = diagonal + (0.0 if a[i] == b[j] else 1.0)
            best = min(best, kept + 1.0, row[j] + 1.0)
            diagonal = kept
            row[j + 1] = best
    return row[lb]


@njit(cache=True)
def _likeness(cost, length, weights):  # type: ignore[no-untyped-def]  # compiled
    like = 1.0 - cost / (weights.budget_base + weights.budget_letter * length)
    return like if like >= weights.floor else 0.0


@njit(cache=True)
def _words(p, i, q, j, replace, leave, weights, rows):  # type: ignore[no-untyped-def]  # compiled
    """Likeness of two words and the link between them."""
    ki, kj = p.kind[i], q.kind[j]
    if _LEGAL in (ki, kj):
        if ki == kj:
            return (1.0, EXACT) if p.plain[i] == q.plain[j] else (0.5, EDITED)
        return 0.0, NONE
    if _NUMBER in (ki, kj):
        if ki == kj:
            return (1.0, EXACT) if p.plain[i] == q.plain[j] else (0.0, NONE)
        return 0.0, NONE
    if _INITIAL in (ki, kj):
        if ki == kj:
            return (1.0, EXACT) if p.plain[i] == q.plain[j] else (0.0, NONE)
        return 0.0, NONE
    if p.plain[i] == q.plain[j]:
        if p.writing[i] == q.writing[j] or p.writing[i] + q.writing[j] == 0:
            if p.writing[i] >= _ROUGH:
                a, b = p.native[p.native_at[i] : p.native_at[i + 1]], q.native[q.native_at[j] : q.native_at[j + 1]]
                if len(a) != len(b) or not np.all(a == b):
                    return 0.85, SOUND
            return 1.0, EXACT
        # Many characters share one reading.
        return (0.93 if max(p.writing[i], q.writing[j]) == _SYLLABLES else 0.96), SOUND
    light_i, light_j = ki in (_PARTICLE, _HONORIFIC, _STOP), kj in (_PARTICLE, _HONORIFIC, _STOP)
    if light_i or light_j:
        return 0.0, NONE
    a, b = p.sound[p.sound_at[i] : p.sound_at[i + 1]], q.sound[q.sound_at[j] : q.sound_at[j + 1]]
    mode = max(p.writing[i], q.writing[j])
    length = 0.5 * (len(a) + len(b))
    if p.writing[i] == q.writing[j] and mode >= _ROUGH:
        # In one script the characters themselves are compared: one of three is a third of the name.
        na, nb = p.native[p.native_at[i] : p.native_at[i + 1]], q.native[q.native_at[j] : q.native_at[j + 1]]
        share = _native_distance(na, nb) / max(len(na), len(nb), 1)
        like = 1.0 - 1.6 * share
        return (like, EDITED) if like >= weights.floor else (0.0, NONE)
    if p.writing[i] == q.writing[j]:
        mode = _ALPHABET
    limit = (1.0 - weights.floor) * (weights.budget_base + weights.budget_letter * length)
    if mode == _ALPHABET and abs(len(a) - len(b)) * 0.5 > limit:
        return 0.0, NONE
    cost = _distance(a, b, replace[mode], leave[mode], _ends(leave, mode), limit, rows)
    like = _likeness(cost + SPELT_OTHERWISE, length, weights)
    if like == 0.0:
        return 0.0, NONE
    if mode != _ALPHABET:
        like *= 0.96
    return like, (SOUND if cost == 0.0 else EDITED)


@njit(cache=True)
def _joined(p, start, end, letters):  # type: ignore[no-untyped-def]  # compiled
    """Write the sounds of the words start..end without spaces; returns the number of letters."""
    size = 0
    for word in range(start, end):
        for place in range(p.sound_at[word], p.sound_at[word + 1]):
            if size < len(letters):
                letters[size] = p.sound[place]
                size += 1
    return size


@njit(cache=True)
def _join(p, p0, pn, q, q0, qn, mate_p, like_p, link_p, mate_q, like_q, link_q, replace, leave, weights, rows):  # type: ignore[no-untyped-def]  # compiled
    """Pair runs of two to four free words of p with one free word of q."""
    letters = np.empty(MAX_LETTERS, np.uint8)
    for j in range(qn):
        if mate_q[j] >= 0 or q.kind[q0 + j] not in (_NAME, _PATRONYMIC):
            continue
        b = q.sound[q.sound_at[q0 + j] : q.sound_at[q0 + j + 1]]
        best, best_i, best_n = 0.0, -1, 0
        for i in range(pn):
            heavy = 0
            for n in range(1, 5):
                if i + n > pn or mate_p[i + n - 1] >= 0 or p.kind[p0 + i + n - 1] in (_LEGAL, _STOP):
                    break
                heavy += 1 if p.kind[p0 + i + n - 1] in (_NAME, _PATRONYMIC, _INITIAL) else 0
                if n == 1 or heavy == 0:
                    continue
                size = _joined(p, p0 + i, p0 + i + n, letters)
                if size == 0:
                    continue
                mode = max(p.writing[p0 + i], q.writing[q0 + j])
                if p.writing[p0 + i] == q.writing[q0 + j]:
                    mode = _ALPHABET
                length = 0.5 * (size + len(b))
                cost = _distance(letters[:size], b, replace[mode], leave[mode], _ends(leave, mode), 3.0, rows)
                if mode == _SYLLABLES:
                    cost *= 1.5  # two or three short syllables: one other letter is another name
                like = 1.0 - (cost + 0.2) / (weights.budget_base + 0.8 * weights.budget_letter * length)
                if like > best and like >= 0.6:
                    best, best_i, best_n = like, i, n
        if best_i >= 0:
            mate_q[j], like_q[j], link_q[j] = best_i, best, JOINED
            for n in range(best_n):
                mate_p[best_i + n] = j
                like_p[best_i + n] = best
                link_p[best_i + n] = JOINED


@njit(cache=True)
def _score(p, x, q, y, replace, leave, weights, work):  # type: ignore[no-untyped-def]  # compiled
    """Score of name x of p against name y of q, 0 to 1; `work` then says what was paired with what."""
    mate_p, like_p, link_p, mate_q, like_q, link_q, measures = work
    p0, q0 = p.name_at[x], q.name_at[y]
    pn, qn = p.name_at[x + 1] - p0, q.name_at[y + 1] - q0
    for side in range(max(pn, qn)):
        mate_p[side] = mate_q[side] = -1
        like_p[side] = like_q[side] = 0.0
        link_p[side] = link_q[side] = NONE
    measures[:] = 0.0
    measures[3] = -1.0
    if pn == 0 or qn == 0:
        return 0.0
    rows = np.empty((3, MAX_WHOLE + 1), np.float32)
    like, link = _compare_words(p, p0, pn, q, q0, qn, replace, leave, weights, rows)
    _pair_words(p, p0, pn, q, q0, qn, like, link, work, SURE)
    if (mate_p[:pn] < 0).any() and (mate_q[:qn] < 0).any():
        _join(p, p0, pn, q, q0, qn, mate_p, like_p, link_p, mate_q, like_q, link_q, replace, leave, weights, rows)
        _join(q, q0, qn, p, p0, pn, mate_q, like_q, link_q, mate_p, like_p, link_p, replace, leave, weights, rows)
        _pair_words(p, p0, pn, q, q0, qn, like, link, work, 0.0)
        _initials(p, p0, pn, q, q0, qn, work)
        person = p.person[x] == 1 and q.person[y] == 1
        _abbreviations(p, p0, pn, q, q0, qn, mate_p, like_p, link_p, mate_q, like_q, link_q, person)
        _abbreviations(q, q0, qn, p, p0, pn, mate_q, like_q, link_q, mate_p, like_p, link_p, person)
    agree, matched = 0.0, 0.0
    left_p, full_p, agree, matched = _side(p, p0, pn, q, q0, mate_p, like_p, link_p, agree, matched)
    left_q, full_q, agree, matched = _side(q, q0, qn, p, p0, mate_q, like_q, link_q, agree, matched)
    contradiction, extra = min(left_p, left_q), abs(left_p - left_q)
    full_words = min(full_p, full_q)
    if p.person[x] and q.person[y]:
        per_extra = weights.extra_person if full_words > 1 else weights.single_person
        if _has_syllables(p, p0, pn) or _has_syllables(q, q0, qn):
            per_extra = max(per_extra, weights.extra_syllables)
    else:
        per_extra = weights.extra_entity if full_words > 1 else weights.single_entity
    score = 0.0
    # Initials alone say nothing (`N. N.`), unless both names are the very same.
    if full_words > 0 or (left_p == 0.0 and left_q == 0.0 and (link_p[:pn] == EXACT).all()):
        score = agree / (matched + weights.contradiction * contradiction + per_extra * extra)
    measures[0], measures[1], measures[2] = matched, contradiction, extra
    if contradiction > 0.0 or score < weights.whole_best:
        # The same letters, other spaces.
        measures[3] = _whole(p, p0, pn, q, q0, qn, replace, leave, weights, rows)
        if measures[3] >= 0.0:
            score = max(score, weights.whole_best - weights.whole_letter * measures[3])
    if _turned(p, p0, pn, q, q0, qn, mate_p):
        measures[4] = 1.0
        score -= weights.turned
    return max(score, 0.0)


@njit(cache=True)
def _has_syllables(p, p0, pn):  # type: ignore[no-untyped-def]  # compiled
    return (p.writing[p0 : p0 + pn] == _SYLLABLES).any()


@njit(cache=True)
def _compare_words(p, p0, pn, q, q0, qn, replace, leave, weights, rows):  # type: ignore[no-untyped-def]  # compiled
    """Likeness and link of each word with each; shape (pn, qn)."""
    like = np.zeros((pn, qn), np.float32)
    link = np.zeros((pn, qn), np.uint8)
    for i in range(pn):
        for j in range(qn):
            like[i, j], link[i, j] = _words(p, p0 + i, q, q0 + j, replace, leave, weights, rows)
    return like, link


@njit(cache=True)
def _pair_words(p, p0, pn, q, q0, qn, like, link, work, least):  # type: ignore[no-untyped-def]  # compiled
    """Pair free single words that are alike enough, most alike first; among equals the heavier."""
    mate_p, like_p, link_p, mate_q, like_q, link_q, _ = work
    for _ in range(min(pn, qn)):
        best, best_i, best_j = 0.0, -1, -1
        for i in range(pn):
            if mate_p[i] >= 0:
                continue
            for j in range(qn):
                if mate_q[j] >= 0 or like[i, j] == 0.0 or like[i, j] < least:
                    continue
                value = like[i, j] + 1e-2 * (p.weight[p0 + i] + q.weight[q0 + j])
                if value > best + 1e-6:
                    best, best_i, best_j = value, i, j
        if best_i < 0:
            break
        mate_p[best_i], mate_q[best_j] = best_j, best_i
        like_p[best_i] = like_q[best_j] = like[best_i, best_j]
        link_p[best_i] = link_q[best_j] = link[best_i, best_j]


@njit(cache=True)
def _initials(p, p0, pn, q, q0, qn, work):  # type: ignore[no-untyped-def]  # compiled
    """Pair free initials with free words that begin so, in the written order."""
    mate_p, like_p, link_p, mate_q, like_q, link_q, _ = work
    for i in range(pn):
        one = p.kind[p0 + i]
        if mate_p[i] >= 0 or one not in (_INITIAL, _NAME, _PATRONYMIC):
            continue
        for j in range(qn):
            other = q.kind[q0 + j]
            if mate_q[j] >= 0 or (one == _INITIAL) == (other == _INITIAL):
                continue
            if other not in (_INITIAL, _NAME, _PATRONYMIC):
                continue
            if (
                p.first[p0 + i] == q.first[q0 + j]
                or p.sound[p.sound_at[p0 + i]] == q.sound[q.sound_at[q0 + j]]
            ):
                mate_p[i], mate_q[j] = j, i
                like_p[i] = like_q[j] = 0.9
                link_p[i] = link_q[j] = INITIAL
                break


@njit(cache=True)
def _side(p, p0, pn, q, q0, mate, like, link, agree, matched):  # type: ignore[no-untyped-def]  # compiled
    """Add up one name's half of the evidence: (weight left over, whole words that agree, agreeing, paired weight)."""
    left, full = 0.0, 0
    for i in range(pn):
        weight = p.weight[p0 + i]
        if mate[i] < 0:
            left += weight
            continue
        if link[i] == INITIAL:
            weight = min(weight, q.weight[q0 + mate[i]])
        elif p.kind[p0 + i] in (_NAME, _PATRONYMIC):
            full += 1
        matched += 0.5 * weight
        agree += 0.5 * weight * like[i]
    return left, full, agree, matched


@njit(cache=True)
def _turned(p, p0, pn, q, q0, qn, mate_p):  # type: ignore[no-untyped-def]  # compiled
    """Whether father and son have changed places around a `bin`: `A bin B` against `B bin A`."""
    i, j = _son(p, p0, pn), _son(q, q0, qn)
    if i < 0 or j < 0:
        return False
    a, b, c, d = _beside(p, p0, pn, i, -1), _beside(p, p0, pn, i, 1), _beside(q, q0, qn, j, -1), _beside(q, q0, qn, j, 1)
    return a >= 0 and b >= 0 and c >= 0 and d >= 0 and mate_p[a] == d and mate_p[b] == c and a != b


@njit(cache=True)
def _son(p, p0, pn):  # type: ignore[no-untyped-def]  # compiled
    """Place of the first `bin` between two words, or -1."""
    for i in range(1, pn - 1):
        if p.kind[p0 + i] == _PARTICLE and p.plain[p0 + i] == _BIN:
            return i
    return -1


@njit(cache=True)
def _beside(p, p0, pn, i, step):  # type: ignore[no-untyped-def]  # compiled
    """Nearest word that carries weight, before or after a place; or -1."""
    k = i + step
    while 0 <= k < pn:
        if p.kind[p0 + k] in (_NAME, _PATRONYMIC):
            return k
        k += step
    return -1


@njit(cache=True)
def _has_vowel(letters):  # type: ignore[no-untyped-def]  # compiled
    vowels = 0
    for letter in letters:
        vowels += letter in (0, 4, 8, 14, 20)
    return vowels > 0


@njit(cache=True)
def _abbreviations(p, p0, pn, q, q0, qn, mate_p, like_p, link_p, mate_q, like_q, link_q, person):  # type: ignore[no-untyped-def]  # compiled
    """Pair `jc` with `jean claude`, `un` with `united nations`: a short word made of the first letters of a run.

    For persons only where it has no vowel: `li` is a name, and not a Lars Ivar.
    """
    for i in range(pn):
        begin = p.sound_at[p0 + i]
        size = p.sound_at[p0 + i + 1] - begin
        if mate_p[i] >= 0 or p.kind[p0 + i] != _NAME or size < 2 or size > 5 or p.writing[p0 + i] != _ALPHABET:
            continue
        if person and _has_vowel(p.sound[begin : begin + size]):
            continue
        for j in range(qn):
            at, k = 0, j
            while k < qn and at < size and mate_q[k] < 0:
                if q.kind[q0 + k] != _STOP:
                    if q.sound[q.sound_at[q0 + k]] != p.sound[begin + at]:
                        break
                    at += 1
                k += 1
            if at == size and k - j >= 2:
                for each in range(j, k):
                    mate_q[each], like_q[each], link_q[each] = i, 0.8, ABBREVIATION
                mate_p[i], like_p[i], link_p[i] = j, 0.8, ABBREVIATION
                break


@njit(cache=True)
def _whole(p, p0, pn, q, q0, qn, replace, leave, weights, rows):  # type: ignore[no-untyped-def]  # compiled
    """Distance of the two names without spaces [letters], in the written order; -1 where it says nothing."""
    for i in range(pn):
        if p.writing[p0 + i] != _ALPHABET:
            return -1.0
    for j in range(qn):
        if q.writing[q0 + j] != _ALPHABET:
            return -1.0
    a, b = np.empty(MAX_WHOLE, np.uint8), np.empty(MAX_WHOLE, np.uint8)
    la, lb = 0, 0
    for i in range(pn):
        if p.kind[p0 + i] not in (_LEGAL, _STOP, _HONORIFIC):
            for place in range(p.sound_at[p0 + i], p.sound_at[p0 + i + 1]):
                if la < MAX_WHOLE:
                    a[la] = p.sound[place]
                    la += 1
    for j in range(qn):
        if q.kind[q0 + j] not in (_LEGAL, _STOP, _HONORIFIC):
            for place in range(q.sound_at[q0 + j], q.sound_at[q0 + j + 1]):
                if lb < MAX_WHOLE:
                    b[lb] = q.sound[place]
                    lb += 1
    if min(la, lb) < weights.whole_shortest or abs(la - lb) > 5:
        return -1.0
    distance = _distance(a[:la], b[:lb], replace[_ALPHABET], leave[_ALPHABET], leave[_ALPHABET], 2.5, rows)
    return distance if distance <= 2.5 else -1.0


@njit(cache=True)
def _work():  # type: ignore[no-untyped-def]  # compiled
    """Scratch of one comparison: mates, likeness and links of both names, and the measures."""
    return (
        np.empty(MAX_TOKENS, np.int32), np.empty(MAX_TOKENS, np.float32), np.empty(MAX_TOKENS, np.uint8),
        np.empty(MAX_TOKENS, np.int32), np.empty(MAX_TOKENS, np.float32), np.empty(MAX_TOKENS, np.uint8),
        np.empty(5, np.float32),
    )  # fmt: skip


@njit(cache=True)
def _score_into(p, q, left, right, replace, leave, weights, work):  # type: ignore[no-untyped-def]  # compiled
    scores = np.empty(len(left), np.int32)
    for k in range(len(left)):
        x, y = left[k], right[k]
        if p.order[x] <= q.order[y]:
            score = _score(p, x, q, y, replace, leave, weights, work)
        else:
            score = _score(q, y, p, x, replace, leave, weights, work)
        scores[k] = int(1000.0 * score + 0.5)
    return scores


def score_pairs(
    p: Pack, q: Pack, left: NDArray[np.int64], right: NDArray[np.int64], weights: Weights = WEIGHTS
) -> NDArray[np.int32]:
    """Scores of the pairs (name left[k] of p, name right[k] of q) [thousandths, 0 to 1000; shape (pairs,)]."""
    scores: NDArray[np.int32] = _score_into(p, q, left, right, REPLACE, LEAVE, weights, _work())
    return scores


class Mates(NamedTuple):
    """What the comparison of two names paired.

    Attributes:
        mate, likeness, link: for each word of the first name its mate in the second (or -1), 0 to 1, and the link.
        back: for each word of the second name its mate in the first.
        measures: matched weight, contradiction, extra, whole distance [letters] or -1, whether turned.
        score: [thousandths].
    """

    mate: NDArray[np.int32]
    likeness: NDArray[np.float32]
    link: NDArray[np.uint8]
    back: NDArray[np.int32]
    measures: NDArray[np.float32]
    score: int


def score_one(p: Pack, q: Pack, weights: Weights = WEIGHTS) -> Mates:
    """Compare the first name of each pack, exactly as `score_pairs` does, and keep what was found."""
    work = _work()
    zero = np.zeros(1, np.int64)
    score = int(_score_into(p, q, zero, zero, REPLACE, LEAVE, weights, work)[0])
    first, second = work[:3], work[3:6]
    if p.order[0] > q.order[0]:
        first, second = second, first
    return Mates(first[0], first[1], first[2], second[0], work[6], score)
