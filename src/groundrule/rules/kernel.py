# numba calls kernels by position; it has no keyword-only arguments.
"""The compiled loops of `decide`: numbers to bands, rows to classes, classes to decisions.

Terms are ordered by rank, one bit each, in words of 64. Every distinct value of every column group has one *row* in a
pool: which terms it leaves standing for certain, and, where it is doubtful, at which strength and for which cause. A
decision class is what remains when the rows of all groups are combined; equal classes get one number.

    settled   [row][word]              terms with strength yes, then (same shape) terms with strength >= restrict
    doubt     [row][part][word]        part 0..2: terms with strength >= deny, >= review, >= restrict
                                       part 3..7: terms held in doubt by cause edge, position, attribute, stale, error

A class key is the words of `settled` alone, or settled and the eight parts if some term stays in doubt. Keys are
compared in full; their hash only says where to look first.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

LEVELS = 3
CAUSES = 5
PARTS = LEVELS + CAUSES
ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)
_SEED = np.uint64(0x243F6A8885A308D3)

U64 = NDArray[np.uint64]


@njit(cache=True, nogil=True)
def fill_numbers(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    limits: NDArray[np.float64],
    rows: NDArray[np.int32],
    out: NDArray[np.int32],
) -> int:
    """Turn intervals into pool rows.

    The band of x is the number of limits below it plus the number of limits at most it: even between limits, odd on
    one.

    Args:
        low: lower bounds; NaN is open.
        high: upper bounds; NaN is open.
        limits: distinct limits, ascending, shape (k,).
        rows: pool row by band of low and band of high, shape (2k+1, 2k+1); -1 where none was made yet.
        out: pool row of each interval.

    Returns:
        How many intervals have no pool row yet; their places in `rows` are set to -2.
    """
    k = len(limits)
    missing = 0
    for i in range(len(out)):
        a, b = low[i], high[i]
        first = _band(a, limits)
        if a == b:
            last = first
        elif a > b:
            first, last = 0, 2 * k
        else:
            last = 2 * k if np.isnan(b) else _band(b, limits)
        row = rows[first, last]
        if row < 0:
            rows[first, last] = -2
            missing += 1
        out[i] = row
    return missing


@njit(cache=True, nogil=True, inline="always")
def _band(x: float, limits: NDArray[np.float64]) -> int:
    """Return the band of x; not-a-number gives the lowest."""
    if len(limits) > 12:
        start = int(np.searchsorted(limits, x))
        band = 2 * start
        if start < len(limits) and limits[start] == x:
            band += 1
        return 0 if np.isnan(x) else band
    band = 0  # counting has no branch to mispredict, and is faster than searching for a dozen limits
    for limit in limits:
        band += limit < x
        band += limit <= x
    return band


@njit(cache=True, nogil=True)
def fill_points(
    values: NDArray[np.float64], limits: NDArray[np.float64], rows: NDArray[np.int32], out: NDArray[np.int32]
) -> None:
    """Turn known numbers into pool rows.

    Args:
        values: the numbers; NaN is unknown.
        limits: distinct limits, ascending, shape (k,).
        rows: pool row by band, then that of NaN, shape (2k+2,).
        out: pool row of each number.
    """
    n, k = len(out), len(limits)
    if k > 12:
        for i in range(n):
            out[i] = rows[2 * k + 1 if np.isnan(values[i]) else _band(values[i], limits)]
        return
    out[:] = 0
    for limit in limits:  # one limit at a time over the block, which the compiler turns into vector instructions
        for i in range(n):
            out[i] += np.int32(limit < values[i]) + np.int32(limit <= values[i])
    for i in range(n):
        out[i] = rows[2 * k + 1 if np.isnan(values[i]) else out[i]]


@njit(cache=True, nogil=True)
def spread(
    klass: NDArray[np.int32],
    outcomes: NDArray[np.uint8],
    rules: NDArray[np.int32],
    states: NDArray[np.uint8],
    outcome: NDArray[np.uint8],
    rule: NDArray[np.int32],
    state: NDArray[np.uint8],
) -> None:
    """Write outcome, deciding rule and state of each observation from those of its class."""
    for i in range(len(klass)):
        k = klass[i]
        outcome[i], rule[i], state[i] = outcomes[k], rules[k], states[k]


@njit(cache=True, nogil=True)
def fill_places(
    codes: NDArray[np.int32], rows: NDArray[np.int32], stale: NDArray[np.bool_], stale_row: int,
    known: NDArray[np.bool_], out: NDArray[np.int32],
) -> None:  # fmt: skip
    """Write the pool row of each place; a stale place that is known has a row of its own."""
    for i in range(len(out)):
        code = codes[i]
        out[i] = stale_row if stale[i] and known[code] else rows[code]


@njit(cache=True, nogil=True)
def fill_relations(
    places: NDArray[np.int32], countries: NDArray[np.int32], status: NDArray[np.uint8], stale: NDArray[np.bool_],
    rows: NDArray[np.int32], out: NDArray[np.int32],
) -> None:  # fmt: skip
    """Write the pool row of each pair of place and country.

    Args:
        places: place of each row of the batch.
        countries: country of each row of the batch, an index into the second axis of `status`.
        status: relation of place and country: 0 outside, 1 edge, 2 inside, 3 position unknown, 4 country unknown, 6
            error.
        stale: the position is stale; then what is known becomes status 5.
        rows: pool row by status, shape (7,).
        out: pool row of each row of the batch.
    """
    for i in range(len(out)):
        value = status[places[i], countries[i]]
        out[i] = rows[5 if stale[i] and value <= 2 else value]


@njit(cache=True, nogil=True)
def fill_coded(codes: NDArray[np.int32], rows: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """Write the pool row of each code."""
    for i in range(len(out)):
        out[i] = rows[codes[i]]


@njit(cache=True, nogil=True)
def fill_latches(
    latches: NDArray[np.uint8], columns: NDArray[np.int64], rows: NDArray[np.int32], out: NDArray[np.int32]
) -> None:
    """Write the pool row of each combination of latches; a value that is no truth counts as unknown."""
    for i in range(len(out)):
        code = 0
        for column in columns:
            value = latches[i, column]
            code = code * 3 + (value if value < 2 else 2)
        out[i] = rows[code]


@njit(cache=True, nogil=True)
def fill_time(
    now_ns: NDArray[np.int64], boundaries: NDArray[np.int64], rows: NDArray[np.int32], valid_ns: int,
    out: NDArray[np.int32], valid_until: NDArray[np.int64],
) -> None:  # fmt: skip
    """Write the pool row of each instant, and until when a decision made then holds."""
    count = len(boundaries)
    for i in range(len(out)):
        now = now_ns[i]
        code = np.searchsorted(boundaries, now, side="right") if count else 0
        out[i] = rows[code]
        until = now + valid_ns if now <= np.iinfo(np.int64).max - valid_ns else np.iinfo(np.int64).max
        if code < count and boundaries[code] < until:
            until = boundaries[code]
        valid_until[i] = until


@njit(cache=True, nogil=True)
def classify(
    start: int,
    codes: NDArray[np.int32],
    settled: U64,
    doubt: U64,
    slots_a: NDArray[np.int64],
    keys_a: U64,
    ids_a: NDArray[np.int32],
    slots_b: NDArray[np.int64],
    keys_b: U64,
    ids_b: NDArray[np.int32],
    counts: NDArray[np.int64],
    klass: NDArray[np.int32],
) -> int:
    """Combine the pool rows of each observation and number the classes that result.

    Args:
        start: first observation to do.
        codes: pool row by group and observation, shape (groups, n).
        settled: pool, shape (rows, 2 * words): words of the settled terms, then of all terms that may apply.
        doubt: pool, shape (rows, PARTS * words).
        slots_a: hash table of settled classes, entry number + 1 or 0; its length is a power of two.
        keys_a: keys of settled classes, shape (capacity, words).
        ids_a: class number of each entry.
        slots_b: the same for classes with a doubt.
        keys_b: shape (capacity, (1 + PARTS) * words).
        ids_b: class number of each entry.
        counts: entries in a, entries in b, classes; updated.
        klass: result, class number of each observation.

    Returns:
        The observation to go on with after the tables have been made larger, or n.
    """
    groups, n = codes.shape
    words = settled.shape[1] // 2
    key = np.empty((1 + PARTS) * words, np.uint64)
    for i in range(start, n):
        if counts[0] + 1 >= len(ids_a) or counts[1] + 1 >= len(ids_b):
            return i
        any_doubt = False
        h = _SEED
        for w in range(words):
            x = ONES
            weakest = ONES
            for g in range(groups):
                row = codes[g, i]
                x &= settled[row, w]
                weakest &= settled[row, words + w]
                if weakest == 0:
                    break
            key[w] = x & weakest
            key[words + (LEVELS - 1) * words + w] = weakest
            any_doubt |= key[w] != weakest
            h = (h ^ key[w]) * _MIX
            h ^= h >> _SHIFT
        if any_doubt:
            _add_doubt(i, codes, doubt, words, key)
            for w in range(words, len(key)):
                h = (h ^ key[w]) * _MIX
                h ^= h >> _SHIFT
            klass[i] = _intern(h, key, len(key), slots_b, keys_b, ids_b, counts, 1)
        else:
            klass[i] = _intern(h, key, words, slots_a, keys_a, ids_a, counts, 0)
    return n


@njit(cache=True, nogil=True)
def _add_doubt(i: int, codes: NDArray[np.int32], doubt: U64, words: int, key: U64) -> None:
    """Append the remaining doubt parts to a key that holds the settled and the weakest terms."""
    groups = codes.shape[0]
    for w in range(words):
        applies = key[words + (LEVELS - 1) * words + w]
        held = applies & ~key[w]
        for part in range(LEVELS - 1):
            x = applies
            if held != 0:
                for g in range(groups):
                    x &= doubt[codes[g, i], part * words + w]
            key[words + part * words + w] = x
        for part in range(LEVELS, PARTS):
            x = np.uint64(0)
            if held != 0:
                for g in range(groups):
                    x |= doubt[codes[g, i], part * words + w]
            key[words + part * words + w] = x & held


@njit(cache=True, nogil=True, inline="always")
def _intern(
    h: np.uint64, key: U64, length: int, slots: NDArray[np.int64], keys: U64, ids: NDArray[np.int32],
    counts: NDArray[np.int64], table: int,
) -> int:  # fmt: skip
    mask = np.uint64(len(slots) - 1)
    place = np.uint64(h) & mask
    while True:
        entry = slots[place] - 1
        if entry < 0:
            entry = counts[table]
            slots[place] = entry + 1
            for w in range(length):
                keys[entry, w] = key[w]
            ids[entry] = counts[2]
            counts[table] += 1
            counts[2] += 1
            return ids[entry]
        same = True
        for w in range(length):
            if keys[entry, w] != key[w]:
                same = False
                break
        if same:
            return ids[entry]
        place = (place + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def rehash(keys: U64, count: int, length: int, slots: NDArray[np.int64]) -> None:
    """Fill an empty, larger hash table with the entries there are."""
    mask = np.uint64(len(slots) - 1)
    for entry in range(count):
        h = _SEED
        for w in range(length):
            h = (h ^ keys[entry, w]) * _MIX
            h ^= h >> _SHIFT
        place = h & mask
        while slots[place] != 0:
            place = (place + np.uint64(1)) & mask
        slots[place] = entry + 1


@njit(cache=True, nogil=True)
def judge_many(
    keys: U64, start: int, stop: int, in_doubt: bool, term_rule: NDArray[np.int32], rule_tier: NDArray[np.int32],
    rule_outcome: NDArray[np.uint8], rule_name: NDArray[np.int32], found: NDArray[np.int32],
) -> None:  # fmt: skip
    """Judge the entries from start to stop of a key table; see `judge`.

    The result goes to `found`: deciding rule, outcome and strength of the deciding rule by entry, (stop - start, 3).
    """
    strengths = np.zeros(len(rule_tier), np.uint8)
    for entry in range(start, stop):
        rule, outcome = judge(keys[entry], in_doubt, term_rule, rule_tier, rule_outcome, rule_name, strengths)
        found[entry - start, 0], found[entry - start, 1] = rule, outcome
        found[entry - start, 2] = strengths[rule] if rule >= 0 else 0


@njit(cache=True, nogil=True)
def judge(
    key: U64,
    in_doubt: bool,
    term_rule: NDArray[np.int32],
    rule_tier: NDArray[np.int32],
    rule_outcome: NDArray[np.uint8],
    rule_name: NDArray[np.int32],
    strengths: NDArray[np.uint8],
) -> tuple[int, int]:
    """Find the deciding rule of one class.

    Args:
        key: the class key.
        in_doubt: whether the key holds the doubt parts.
        term_rule: rule of each term, by rank.
        rule_tier: tier of each rule.
        rule_outcome: outcome of each rule.
        rule_name: place of each rule's id in byte order.
        strengths: result, strength of each rule (0 does not apply, 1 to 3 an outcome in doubt, 4 settled).

    Returns:
        The deciding rule (by rank) or -1, and the effective outcome (255 for the default).
    """
    words = len(key) // (1 + PARTS) if in_doubt else len(key)
    strengths[:] = 0
    for t in range(len(term_rule)):
        w, bit = t // 64, np.uint64(1) << np.uint64(t % 64)
        strength = 0
        if key[w] & bit:
            strength = 4
        elif in_doubt:
            for part in range(LEVELS):
                if key[words + part * words + w] & bit:
                    strength = 3 - part
                    break
        rule = term_rule[t]
        strengths[rule] = max(strengths[rule], strength)
    best, best_outcome, best_tier = -1, -1, -1
    for rule in range(len(rule_tier)):  # in rank order: tier, stricter outcome, id
        if strengths[rule] == 0:
            continue
        if best >= 0 and rule_tier[rule] != best_tier:
            break
        outcome = rule_outcome[rule] if strengths[rule] == 4 else strengths[rule]
        if outcome > best_outcome or (outcome == best_outcome and rule_name[rule] < rule_name[best]):
            best, best_outcome, best_tier = rule, outcome, rule_tier[rule]
    return best, best_outcome if best >= 0 else 255
