"""The compiled part: one side of a book in two arrays, and a depth message's exact text applied to both sides.

Importing this module imports numba and loads every kernel from its cache, or compiles it, once a machine; only
`accelerate` does so. All kernels are in this one file because numba's cache looks at the file of the function that it
compiles, not at the files of what that calls.

A side is `book.BookSide` step by step, so that it orders, buries and forgets exactly when the other does:

* `table`: pairs (price, size), an open-addressing hash table. Price 0 marks a free slot. Size 0 is a removed level that
  is not buried yet; `GONE` is a buried one past the reach, remembered for `deepen`.
* `near`: a header (the names below), then the ranks in ascending order growing up from `RANKS_AT`, and the fresh ranks
  growing down from the array's end.

No kernel allocates more than it frees, and none grows an array: it answers `ROOM` before it has changed anything, and
its caller makes room and asks again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit, types

Floats = npt.NDArray[np.float64]
Index = np.uint64
Int = Any
"""An int, or within compiled code an int64."""
F = TypeVar("F", bound=Callable[..., Any])

SIGN, CUT, BOUND, REACH, FORGOTTEN, ENTRIES, GONES, RANKS, FRESH, NEAR_TARGET, NEAR_MOST, ENTRIES_MOST = range(12)
RANKS_AT = 16
GONE = -1.0
FRESH_FEW, SPARE = 32, 32
ROOM, FALLBACK, DUE, APPLIED, CROSSED = -2, -1, 0, 1, 2

_NOWHERE = -math.inf
_GOLDEN, _HASH_SHIFT, _ONE, _TWO = np.uint64(0x9E3779B97F4A7C15), np.uint64(40), np.uint64(1), np.uint64(2)
_POWERS = np.array([10.0**power for power in range(23)])  # exactly representable, all of them
_EXACT = np.uint64(2**53)  # integers below have an exact float
_DIGITS_MOST = np.uint64(19)  # of a mantissa, which then fits into 64 bits
_PRICE_END = 1e15  # as `book_set.Price`
_MILLIS_END = 2**63 // 1_000_000  # as `book_set.Millis`
_INTEGER_END = np.uint64(2**63 - 1)  # as `book_set.SequenceId`

_BYTES = types.Bytes(types.uint8, 1, "C", readonly=True)
_SIDE = (types.float64[::1], types.float64[::1])


def _inner(function: F) -> F:
    """Compile as a part of what calls it."""
    return cast("F", njit(nogil=True, error_model="numpy")(function))


def _entry(*arguments: Any) -> Callable[[F], F]:
    """Compile for these types of arguments and no others, or take it from the cache."""
    return cast("Callable[[F], F]", njit(arguments, nogil=True, error_model="numpy", cache=True))


# ---- the table


@_inner
def _home(table: Floats, price: float) -> Index:
    mask = np.uint64((table.size >> 1) - 1)
    return ((np.float64(price).view(np.uint64) * _GOLDEN) >> _HASH_SHIFT) & mask


@_inner
def _slot(table: Floats, price: float) -> Index:
    """Where the price is, or else where it belongs: an index of the free slot's pair."""
    mask = np.uint64((table.size >> 1) - 1)
    at = _home(table, price)
    while True:
        found = table[_TWO * at]
        if found == price or found == 0.0:
            return at
        at = (at + _ONE) & mask


@_inner
def _size(table: Floats, price: float) -> float:
    size: float = table[_TWO * _slot(table, price) + _ONE]
    return size


@_inner
def _free(table: Floats, at: Index) -> None:
    """Empty a slot, moving up what the probing of others would no longer find."""
    mask = np.uint64((table.size >> 1) - 1)
    hole = probe = at
    table[_TWO * hole] = 0.0
    while True:
        probe = (probe + _ONE) & mask
        price = table[_TWO * probe]
        if price == 0.0:
            return
        if ((probe - _home(table, price)) & mask) >= ((probe - hole) & mask):
            table[_TWO * hole] = price
            table[_TWO * hole + _ONE] = table[_TWO * probe + _ONE]
            table[_TWO * probe] = 0.0
            hole = probe


@_inner
def _fits(table: Floats, near: Floats, levels: int) -> bool:
    held = near[ENTRIES] + near[GONES] + levels
    ranks = RANKS_AT + near[RANKS] + 2 * (near[FRESH] + levels) + 2 * near[NEAR_TARGET] + 2
    fits: bool = 4 * held <= table.size and ranks <= near.size
    return fits


@_inner
def _put_new(table: Floats, near: Floats, at: Index, price: float, size: float) -> None:
    """Take in a price that the table does not hold, or holds as gone, at its slot; if it is near, it is fresh."""
    if table[_TWO * at] == price:
        near[GONES] -= 1
    table[_TWO * at] = price
    table[_TWO * at + _ONE] = size
    near[ENTRIES] += 1
    rank = price * near[SIGN]
    if rank >= near[CUT]:
        near[FRESH] += 1
        near[near.size - int(near[FRESH])] = rank
        near[BOUND] = max(near[BOUND], rank)


@_inner
def _put_all(table: Floats, near: Floats, levels: Floats, first: int, last: int) -> None:
    """Set levels. The hottest loop of all: `_slot` is written out."""
    mask = np.uint64((table.size >> 1) - 1)
    for index in range(first, last):
        price, size = levels[2 * index], levels[2 * index + 1]
        at = ((np.float64(price).view(np.uint64) * _GOLDEN) >> _HASH_SHIFT) & mask
        found = table[_TWO * at]
        while found != price and found != 0.0:
            at = (at + _ONE) & mask
            found = table[_TWO * at]
        if found == price and table[_TWO * at + _ONE] != GONE:
            table[_TWO * at + _ONE] = size
        else:
            _put_new(table, near, at, price, size)
    if near[FRESH] > near[NEAR_MOST]:
        _tidy(table, near, int(near[NEAR_TARGET]))


# ---- order near the touch


@_inner
def _sort(values: Floats) -> None:
    """Shell sort: what it gets is short."""
    gap = values.size // 2
    while gap > 0:
        for index in range(gap, values.size):
            value, at = values[index], index
            while at >= gap and values[at - gap] > value:
                values[at] = values[at - gap]
                at -= gap
            values[at] = value
        gap //= 2


@_inner
def _merge_fresh(near: Floats) -> None:
    fresh = int(near[FRESH])
    if fresh == 0:
        return
    first = near.size - fresh
    _sort(near[first:])
    old, new = RANKS_AT + int(near[RANKS]) - 1, near.size - 1
    at = old + fresh
    while new >= first:
        if old >= RANKS_AT and near[old] > near[new]:
            near[at] = near[old]
            old -= 1
        else:
            near[at] = near[new]
            new -= 1
        at -= 1
    near[RANKS] += fresh
    near[FRESH] = 0


@_inner
def _bury(table: Floats, near: Floats, rank: float) -> None:
    at = _slot(table, rank * near[SIGN])
    near[ENTRIES] -= 1
    if rank < near[REACH]:
        table[_TWO * at + _ONE] = GONE
        near[GONES] += 1
    else:
        _free(table, at)


@_inner
def _bury_dead(table: Floats, near: Floats, start: int) -> None:
    """Bury the removed levels among the ranks from the `start`-th on."""
    sign = near[SIGN]
    end = RANKS_AT + int(near[RANKS])
    kept = RANKS_AT + start
    for at in range(kept, end):
        rank = near[at]
        if _size(table, rank * sign) == 0.0:
            _bury(table, near, rank)
        else:
            near[kept] = rank
            kept += 1
    near[RANKS] = kept - RANKS_AT


@_inner
def _tidy(table: Floats, near: Floats, depth: int) -> None:
    _merge_fresh(near)
    wanted = max(2 * depth, int(near[NEAR_TARGET]))
    _bury_dead(table, near, 0)
    ranks = int(near[RANKS])
    if ranks > 2 * wanted:
        for index in range(wanted):
            near[RANKS_AT + index] = near[RANKS_AT + ranks - wanted + index]
        near[RANKS] = wanted
        near[CUT] = near[RANKS_AT]
    elif ranks < depth and near[CUT] > _NOWHERE:
        _refill(table, near, wanted - ranks)
    if near[ENTRIES] > near[ENTRIES_MOST]:
        _forget_farthest(table, near)
    ranks = int(near[RANKS])
    near[BOUND] = near[RANKS_AT + ranks - 1] if ranks else _NOWHERE


@_inner
def _refill(table: Floats, near: Floats, count: int) -> None:
    sign, old_cut = near[SIGN], near[CUT]
    past, live, dead = np.empty(int(near[ENTRIES])), 0, 0
    for at in range(0, table.size, 2):
        rank = table[at] * sign
        if table[at] > 0.0 and rank < old_cut and table[at + 1] >= 0.0:
            if table[at + 1] > 0.0:
                past[live] = rank
                live += 1
            else:
                dead += 1
                past[past.size - dead] = rank
    candidates = np.sort(past[:live])
    chosen = min(count, live)
    near[CUT] = candidates[live - chosen] if chosen < live else _NOWHERE
    for index in range(past.size - dead, past.size):
        if past[index] >= near[CUT]:
            _bury(table, near, past[index])
    ranks = int(near[RANKS])
    for index in range(ranks - 1, -1, -1):
        near[RANKS_AT + chosen + index] = near[RANKS_AT + index]
    for index in range(chosen):
        near[RANKS_AT + index] = candidates[live - chosen + index]
    near[RANKS] += chosen


@_inner
def _rebuild(source: Floats, table: Floats, near: Floats, worst: float) -> None:
    """Fill `table` with what `source` holds and ranks no worse than `worst`."""
    table[:] = 0.0
    near[ENTRIES] = near[GONES] = 0
    for at in range(0, source.size, 2):
        if source[at] > 0.0 and source[at] * near[SIGN] >= worst:
            to = _slot(table, source[at])
            table[_TWO * to] = source[at]
            table[_TWO * to + _ONE] = source[at + 1]
            near[GONES if source[at + 1] == GONE else ENTRIES] += 1


@_inner
def _forget_farthest(table: Floats, near: Floats) -> None:
    sign, dead = near[SIGN], 0
    ranks = np.empty(int(near[ENTRIES]))
    for at in range(0, table.size, 2):
        rank = table[at] * sign
        if table[at] > 0.0 and table[at + 1] == 0.0 and rank >= near[REACH] and rank < near[CUT]:
            ranks[dead] = rank
            dead += 1
    for index in range(dead):
        _free(table, _slot(table, ranks[index] * sign))
    near[ENTRIES] -= dead
    if near[ENTRIES] > near[ENTRIES_MOST]:
        held = 0
        for at in range(0, table.size, 2):
            if table[at] > 0.0 and table[at + 1] >= 0.0:
                ranks[held] = table[at] * sign
                held += 1
        near[FORGOTTEN] = np.sort(ranks[:held])[held - int(near[ENTRIES_MOST]) // 2]
        near[REACH] = max(near[REACH], near[FORGOTTEN])
    _rebuild(table.copy(), table, near, near[FORGOTTEN])
    kept = 0
    for index in range(int(near[RANKS])):
        if near[RANKS_AT + index] >= near[FORGOTTEN]:
            near[RANKS_AT + kept] = near[RANKS_AT + index]
            kept += 1
    near[RANKS] = kept


@_inner
def _best(table: Floats, near: Floats) -> None:
    """Make the bound the rank of the best level."""
    sign = near[SIGN]
    if near[FRESH] > FRESH_FEW:
        _merge_fresh(near)
    ranks = int(near[RANKS])
    while ranks > 0 and _size(table, near[RANKS_AT + ranks - 1] * sign) == 0.0:
        ranks -= 1
        near[RANKS] = ranks
        _bury(table, near, near[RANKS_AT + ranks])
    newest = _NOWHERE
    while near[FRESH] > 0:
        first = near.size - int(near[FRESH])
        at = first + np.argmax(near[first:])
        newest = near[at]
        if _size(table, newest * sign) > 0.0:
            break
        near[at] = near[first]
        near[FRESH] -= 1
        _bury(table, near, newest)
        newest = _NOWHERE
    if ranks == 0 and near[FRESH] == 0:
        _tidy(table, near, 1)
    ranks = int(near[RANKS])
    near[BOUND] = max(newest, near[RANKS_AT + ranks - 1] if ranks else _NOWHERE)


# ---- what a side does


@_entry(*_SIDE, types.float64[::1])
def apply(table: Floats, near: Floats, levels: Floats) -> int:
    """Set levels, pairs in a row; APPLIED or ROOM."""
    if not _fits(table, near, levels.size // 2):
        return ROOM
    _put_all(table, near, levels, 0, levels.size // 2)
    return APPLIED


@_entry(*_SIDE)
def best(table: Floats, near: Floats) -> float:
    """Rank of the best level, minus infinity if there is none."""
    _best(table, near)
    rank: float = near[BOUND]
    return rank


@_entry(*_SIDE, types.int64)
def tidy(table: Floats, near: Floats, depth: int) -> None:
    """See `BookSide._tidy`."""
    _tidy(table, near, depth)


@_entry(*_SIDE, types.float64[::1], types.float64[::1])
def top(table: Floats, near: Floats, prices: Floats, sizes: Floats) -> tuple[int, int]:
    """Write the best levels; (how many, how many of them are known), or (ROOM, 0)."""
    depth, sign = prices.size, near[SIGN]
    if not _fits(table, near, depth):
        return ROOM, 0
    if near[RANKS] + near[FRESH] > near[NEAR_MOST] or near[ENTRIES] > near[ENTRIES_MOST]:
        _tidy(table, near, depth)
    while True:
        _merge_fresh(near)
        start = max(int(near[RANKS]) - depth - SPARE, 0)
        _bury_dead(table, near, start)
        count = int(near[RANKS]) - start
        if count < depth and start > 0:
            continue
        if count < depth and near[CUT] > _NOWHERE:
            _tidy(table, near, depth)
            continue
        break
    count, known = min(count, depth), 0
    for index in range(count):
        rank = near[RANKS_AT + int(near[RANKS]) - 1 - index]
        prices[index] = rank * sign
        sizes[index] = _size(table, rank * sign)
        known += rank >= near[REACH]
    return count, known


@_entry(types.float64[::1], types.float64[::1])
def sizes_of(table: Floats, prices: Floats) -> None:
    """Turn prices into their sizes: 0 removed, GONE removed past the reach, NaN never told of."""
    for index in range(prices.size):
        at = _slot(table, prices[index])
        prices[index] = np.nan if table[_TWO * at] == 0.0 else table[_TWO * at + _ONE]


@_entry(types.float64[::1], types.float64[::1], types.float64[::1], types.float64)
def rebuild(source: Floats, table: Floats, near: Floats, gone_from: float) -> None:
    """Fill `table` with what `source` holds, but for the gone that rank no worse than `gone_from`."""
    _rebuild(source, table, near, _NOWHERE)
    if near[GONES] and gone_from < np.inf:
        for at in range(0, source.size, 2):
            if source[at] > 0.0 and source[at + 1] == GONE and source[at] * near[SIGN] >= gone_from:
                _free(table, _slot(table, source[at]))
                near[GONES] -= 1


# ---- the text of depth messages
#
# Indices are unsigned: a signed one would be tested for counting from the end at every byte. What does not find what it
# looks for answers `_LOST`, an index past every text, and so does what is asked to go on from there. The last byte of a
# text is a line break or a brace: neither digit, quote, bracket nor comma, so what goes on only past these stops there.


def _text(literal: bytes) -> Any:
    return np.frombuffer(literal, np.uint8)


_STREAM, _DATA = _text(b'{"stream":"'), _text(b'","data":')
_EVENT, _TRANSACTION = _text(b'{"e":"depthUpdate","E":'), _text(b',"T":')
_SYMBOL, _PAIR, _QUOTE = _text(b',"s":"'), _text(b'","ps":"'), _text(b'"')
_FIRST, _LAST, _PREVIOUS = _text(b',"U":'), _text(b',"u":'), _text(b',"pu":')
_BIDS, _ASKS, _BRACE, _BRACES = _text(b',"b":['), _text(b',"a":['), _text(b"}"), _text(b"}}")
_SPACE, _DEPTH, _COMMA = _text(b" "), _text(b"@depth"), _text(b",")
_LOST = np.uint64(2**62)
_NONE, _NINE, _TEN, _ASCII_ZERO = np.uint64(0), np.uint64(9), np.uint64(10), np.uint64(48)


@_inner
def _past(text: bytes, at: Index, literal: Any) -> Index:
    """The index after `literal`, if it is at `at`."""
    after = at + np.uint64(len(literal))
    if after > np.uint64(len(text)):
        return _LOST
    for index in range(np.uint64(len(literal))):
        if text[at + index] != literal[index]:
            return _LOST
    return after


@_inner
def _past_word(text: bytes, at: Index, stream: bool) -> Index:
    """The index after plain ASCII: that of its closing quote. It has no @, or if it names a `stream`, @depth."""
    depth = not stream
    while at < np.uint64(len(text)):
        letter = text[at]
        if letter == 34:
            return at if depth else _LOST
        if letter < 32 or letter > 126 or letter == 92:
            return _LOST
        if letter == 64:
            if not stream:
                return _LOST
            depth = depth or _past(text, at, _DEPTH) != _LOST
        at += _ONE
    return _LOST


@_inner
def _integer(text: bytes, at: Index) -> tuple[Int, Index]:
    """A number below 2**63 - 1 as JSON writes it, and the index after it."""
    if at >= np.uint64(len(text)):
        return np.int64(0), _LOST
    start, value = at, _NONE
    while True:
        digit = np.uint64(text[at]) - _ASCII_ZERO
        if digit > _NINE:
            break
        value = value * _TEN + digit
        at += _ONE
    digits = at - start
    if digits == _NONE or digits > _DIGITS_MOST or value >= _INTEGER_END or (text[start] == 48 and digits > _ONE):
        return np.int64(0), _LOST
    return np.int64(value), at


@_inner
def _quoted(text: bytes, at: Index) -> tuple[Int, Index]:
    """A number as `_integer` takes it, in quotes."""
    value, at = _integer(text, _past(text, at, _QUOTE))
    return value, _past(text, at, _QUOTE)


@_inner
def _levels(text: bytes, at: Index, levels: Floats, count: int, extras: int) -> tuple[Index, Int]:
    """Read `["price","size"],..]` into `levels` from the `count`-th pair on; the index after it, and how many pairs.

    Each level has so many `extras` besides, whole numbers in quotes, which are passed over.

    Clinger's fast path: mantissa and power of ten are exact floats, so their quotient is the float nearest to the
    decimal, which is what float() gives. Any other decimal is none of ours.
    """
    if at >= np.uint64(len(text)):
        return _LOST, 0
    if text[at] == 93:
        return at + _ONE, count
    while 2 * count < levels.size and text[at] == 91:
        at += _ONE
        for part in range(2):
            if text[at] != 34:
                return _LOST, 0
            at += _ONE
            start, mantissa, fraction = at, _NONE, _NONE
            while True:
                digit = np.uint64(text[at]) - _ASCII_ZERO
                if digit > _NINE:
                    break
                mantissa = mantissa * _TEN + digit
                at += _ONE
            digits = at - start
            if digits == _NONE or (text[start] == 48 and digits > _ONE):
                return _LOST, 0
            if text[at] == 46:
                at += _ONE
                start = at
                while True:
                    digit = np.uint64(text[at]) - _ASCII_ZERO
                    if digit > _NINE:
                        break
                    mantissa = mantissa * _TEN + digit
                    at += _ONE
                fraction = at - start
                if fraction == _NONE:
                    return _LOST, 0
            if digits + fraction > _DIGITS_MOST or text[at] != 34:
                return _LOST, 0
            while mantissa >= _EXACT and fraction > _NONE and mantissa % _TEN == _NONE:
                mantissa //= _TEN
                fraction -= _ONE
            value = np.float64(mantissa) / _POWERS[fraction]
            if mantissa >= _EXACT or (part == 0 and (value <= 0.0 or value >= _PRICE_END)):
                return _LOST, 0
            levels[2 * count + part] = value
            at += _ONE
            if part == 1:
                for _ in range(extras):
                    _, at = _quoted(text, _past(text, at, _COMMA))
                if at == _LOST:
                    return _LOST, 0
            if text[at] != (44 if part == 0 else 93):
                return _LOST, 0
            at += _ONE
        count += 1
        at += _ONE
        if text[at - _ONE] == 93:
            return at, count
        if text[at - _ONE] != 44:
            return _LOST, 0
    return _LOST, 0


@_inner
def _header(text: bytes, at: Index, futures: bool, symbol: bytes) -> tuple[Index, Int, Int, Int, Int, bool]:
    """Everything from `at` to the bids: (index of the first, E, U, u, `pu` or 0, whether it is a combined stream's)."""
    previous: Int = np.int64(0)
    after = _past(text, at, _STREAM)
    combined = after != _LOST
    if combined:
        at = _past(text, _past_word(text, after, True), _DATA)
    event_ms, at = _integer(text, _past(text, at, _EVENT))
    if futures:
        after = _past(text, at, _TRANSACTION)
        if after != _LOST:
            _, at = _integer(text, after)
    at = _past(text, _past(text, at, _SYMBOL), symbol)
    if futures:
        after = _past(text, at, _PAIR)
        if after != _LOST:
            at = _past_word(text, after, False)
    first, at = _integer(text, _past(text, _past(text, at, _QUOTE), _FIRST))
    last, at = _integer(text, _past(text, at, _LAST))
    if futures:
        previous, at = _integer(text, _past(text, at, _PREVIOUS))
    at = _past(text, at, _BIDS)
    if event_ms >= _MILLIS_END:
        at = _LOST
    return at, event_ms, first, last, previous, combined


@_inner
def _apply_at(
    text: bytes,
    at: Index,
    lines: bool,
    due: bool,
    futures: bool,
    symbol: bytes,
    sequence: int,
    levels: Floats,
    bid_table: Floats,
    bid_near: Floats,
    ask_table: Floats,
    ask_near: Floats,
) -> tuple[Int, Index, Int, Int]:
    """(code, index after the message, E, u) of the message at `at`; nothing is changed unless APPLIED or CROSSED.

    Right after it the line must end, or with `lines` false the text. A message that continues the book and is `due` is
    DUE, whatever its levels are.
    """
    at, event_ms, first, last, previous, combined = _header(text, at, futures, symbol)
    continues = previous == sequence if futures else first == sequence + 1
    if at == _LOST or not continues or last < first:
        return FALLBACK, _LOST, event_ms, last
    if due:
        return DUE, _LOST, event_ms, last
    at, bids = _levels(text, at, levels, 0, 0)
    at, both = _levels(text, _past(text, at, _ASKS), levels, bids, 0)
    at = _past(text, at, _BRACES if combined else _BRACE)
    ends = at < np.uint64(len(text)) and text[at] == 10 if lines else at == np.uint64(len(text))
    if not ends:
        return FALLBACK, _LOST, event_ms, last
    if not (_fits(bid_table, bid_near, bids) and _fits(ask_table, ask_near, both - bids)):
        return ROOM, _LOST, event_ms, last
    _put_all(bid_table, bid_near, levels, 0, bids)
    _put_all(ask_table, ask_near, levels, bids, both)
    if bid_near[BOUND] + ask_near[BOUND] >= 0.0:
        _best(bid_table, bid_near)
        _best(ask_table, ask_near)
        if bid_near[BOUND] > _NOWHERE and ask_near[BOUND] > _NOWHERE and bid_near[BOUND] + ask_near[BOUND] >= 0.0:
            return CROSSED, at, event_ms, last
    return APPLIED, at, event_ms, last


@_entry(_BYTES, types.boolean, _BYTES, types.int64, types.float64[::1], *_SIDE, *_SIDE)
def apply_frame(
    frame: bytes,
    futures: bool,
    symbol: bytes,
    sequence: int,
    levels: Floats,
    bid_table: Floats,
    bid_near: Floats,
    ask_table: Floats,
    ask_near: Floats,
) -> tuple[Int, Int, Int]:
    """Apply a Binance depthUpdate of `symbol` that directly continues `sequence`: (APPLIED or CROSSED, its E, its u).

    With FALLBACK or ROOM nothing is changed: the frame is anything but the exact text that the venue sends, or does not
    continue the book. `levels` is scratch.
    """
    if len(frame) == 0 or frame[len(frame) - 1] != 125:
        return FALLBACK, np.int64(0), np.int64(0)
    code, _, event_ms, last = _apply_at(
        frame, _NONE, False, False, futures, symbol, sequence, levels, bid_table, bid_near, ask_table, ask_near
    )
    return code, event_ms, last


@_inner
def _past_other(text: bytes, at: Index) -> Index:
    """The index after a line of another channel: one that has an @, and no @depth."""
    others = False
    while text[at] != 10:
        if text[at] == 64:
            if _past(text, at, _DEPTH) != _LOST:
                return _LOST
            others = True
        at += _ONE
    return at + _ONE if others else _LOST


@_entry(_BYTES, *[types.int64] * 2, *[types.boolean] * 2, _BYTES, types.int64, types.float64[::1], *_SIDE, *_SIDE)
def apply_lines(
    text: bytes,
    begin: int,
    until_ns: int,
    skip: bool,
    futures: bool,
    symbol: bytes,
    sequence: int,
    levels: Floats,
    bid_table: Floats,
    bid_near: Floats,
    ask_table: Floats,
    ask_near: Floats,
) -> tuple[Int, Int, Int, Int, Int, Int, Int, Int, Int]:
    """Apply lines `<receive ns> <frame>` from index `begin` on, as `apply_frame` does, if received before `until_ns`.

    With `skip`, lines of other channels are passed over. `text` ends with a line break. The result:
    why it ended (FALLBACK, ROOM or DUE for the first line that is not taken, CROSSED for the last that is), the index
    of the first that is not, how many lines were taken, how many of them were applied without a cross, the newest
    receive time taken, receive time, E and u of the last applied, and the receive time of what crossed or is due.
    """
    code: Int
    code, at, lines, applied = np.int64(FALLBACK), np.uint64(begin), 0, 0
    zero: Int = np.int64(0)
    newest = received_ns = event_ms = ended_ns = zero
    while at < np.uint64(len(text)):
        stamp_ns, after = _integer(text, at)
        code, end, its_ms, its_last = _apply_at(
            text, _past(text, after, _SPACE), True, stamp_ns >= until_ns, futures, symbol, sequence,
            levels, bid_table, bid_near, ask_table, ask_near,
        )  # fmt: skip
        if code == FALLBACK and skip:
            end = _past_other(text, at)
            if end != _LOST:
                at = end
                lines += 1
                continue
        if code < APPLIED:
            ended_ns = stamp_ns
            break
        at = end + _ONE
        lines += 1
        newest = max(newest, stamp_ns)
        if code == CROSSED:
            ended_ns = stamp_ns
            break
        applied += 1
        received_ns, event_ms, sequence = stamp_ns, its_ms, its_last
    return code, np.int64(at), lines, applied, newest, received_ns, event_ms, sequence, ended_ns


# ---- sides of so many levels at most, and the messages of the venues that keep them (OKX, Bybit)
#
# `window.WindowSide` in one array: a header (the names below), then as many ranks, in ascending order, as it has room
# for, then their sizes. What moves with a change are the levels better than it, of which there are mostly few.

WINDOW_COUNT, WINDOW_SIGN, WINDOW_MOST, WINDOW_AT = range(4)


@_inner
def _move_down(numbers: Floats, start: Index, end: Index) -> None:
    """Each from after `start` to before `end` to the place before it."""
    at = start + _ONE
    while at < end:
        numbers[at - _ONE] = numbers[at]
        at += _ONE


@_inner
def _move_up(numbers: Floats, start: Index, end: Index) -> None:
    """Each from `start` to before `end` to the place after it."""
    at = end
    while at > start:
        numbers[at] = numbers[at - _ONE]
        at -= _ONE


@_inner
def _window_put(side: Floats, price: float, size: float) -> None:
    room = np.uint64((side.size - WINDOW_AT) >> 1)
    rank = price * side[WINDOW_SIGN]
    low = np.uint64(WINDOW_AT)
    end = high = low + np.uint64(side[WINDOW_COUNT])
    while low < high:
        middle = (low + high) >> _ONE
        if side[middle] < rank:
            low = middle + _ONE
        else:
            high = middle
    if low < end and side[low] == rank:
        if size > 0.0:
            side[low + room] = size
            return
        _move_down(side, low, end)
        _move_down(side, low + room, end + room)
        side[WINDOW_COUNT] -= 1
    elif size > 0.0:
        _move_up(side, low, end)
        _move_up(side, low + room, end + room)
        side[low] = rank
        side[low + room] = size
        side[WINDOW_COUNT] += 1


@_inner
def _window_put_all(side: Floats, levels: Floats, start: int, end: int) -> None:
    """Put the `start`-th to `end`-th pairs, then push out as many of the worst as there are too many."""
    for index in range(start, end):
        _window_put(side, levels[2 * index], levels[2 * index + 1])
    excess = int(side[WINDOW_COUNT] - side[WINDOW_MOST])
    if excess > 0:
        room = (side.size - WINDOW_AT) >> 1
        for at in range(WINDOW_AT, WINDOW_AT + int(side[WINDOW_MOST])):
            side[at] = side[at + excess]
            side[at + room] = side[at + room + excess]
        side[WINDOW_COUNT] = side[WINDOW_MOST]


@_inner
def _window_fits(side: Floats, levels: int) -> bool:
    fits: bool = side[WINDOW_COUNT] + levels <= (side.size - WINDOW_AT) >> 1
    return fits


@_entry(types.float64[::1], types.float64[::1])
def window_apply(side: Floats, levels: Floats) -> Int:
    """Set the levels, pairs (price, size), in turn; ROOM, with nothing changed, if there is not enough."""
    if not _window_fits(side, levels.size >> 1):
        return np.int64(ROOM)
    _window_put_all(side, levels, 0, levels.size >> 1)
    return np.int64(APPLIED)


@_inner
def _window_both(bids: Floats, asks: Floats, levels: Floats, first: int, both: int, bids_first: bool) -> Int:
    """Put the first pairs into one side and those from there to `both` into the other: APPLIED, CROSSED or ROOM."""
    one, other = (bids, asks) if bids_first else (asks, bids)
    if not (_window_fits(one, first) and _window_fits(other, both - first)):
        return np.int64(ROOM)
    _window_put_all(one, levels, 0, first)
    _window_put_all(other, levels, first, both)
    held, against = int(bids[WINDOW_COUNT]), int(asks[WINDOW_COUNT])
    if held and against and bids[WINDOW_AT + held - 1] + asks[WINDOW_AT + against - 1] >= 0.0:
        return np.int64(CROSSED)
    return np.int64(APPLIED)


_OKX_INSTRUMENT, _OKX_UPDATE = (
    _text(b'{"arg":{"channel":"books","instId":"'),
    _text(b'"},"action":"update","data":[{"asks":['),
)
_OKX_BIDS, _OKX_TIME, _OKX_CHECKSUM = _text(b',"bids":['), _text(b',"ts":'), _text(b',"checksum":')
_OKX_LAST, _OKX_PREVIOUS, _OKX_END, _MINUS = _text(b',"seqId":'), _text(b',"prevSeqId":'), _text(b"}]}"), _text(b"-")
NOT_NUMBERED = -1


@_entry(types.boolean, _BYTES, _BYTES, types.int64, types.float64[::1], *[types.float64[::1]] * 2)
def apply_okx(
    verify: bool, frame: bytes, symbol: bytes, sequence: int, levels: Floats, bids: Floats, asks: Floats
) -> tuple[Int, Int, Int]:
    """Apply an update of OKX's `books` that follows `sequence`: (APPLIED or CROSSED, its ts, its seqId).

    Ids may be missing on both sides, in the book and in the message: NOT_NUMBERED. With FALLBACK or ROOM nothing is
    changed: the frame is anything but the exact text that the venue sends, or does not continue the book, or carries a
    checksum and `verify` is asked for. `levels` is scratch.
    """
    at = _past(frame, _past(frame, _past(frame, _NONE, _OKX_INSTRUMENT), symbol), _OKX_UPDATE)
    at, first = _levels(frame, at, levels, 0, 2)
    at, both = _levels(frame, _past(frame, at, _OKX_BIDS), levels, first, 2)
    time_ms, at = _quoted(frame, _past(frame, at, _OKX_TIME))
    after = _past(frame, at, _OKX_CHECKSUM)
    if after != _LOST:
        sign = _past(frame, after, _MINUS)
        checksum, at = _integer(frame, after if sign == _LOST else sign)
        if verify and checksum != 0:
            return FALLBACK, time_ms, np.int64(NOT_NUMBERED)
    last: Int = np.int64(NOT_NUMBERED)
    if _past(frame, at, _OKX_END) == _LOST:
        previous, after = _integer(frame, _past(frame, at, _OKX_PREVIOUS))
        if after != _LOST:
            last, at = _integer(frame, _past(frame, after, _OKX_LAST))
        else:
            last, at = _integer(frame, _past(frame, at, _OKX_LAST))
            previous, at = _integer(frame, _past(frame, at, _OKX_PREVIOUS))
        if previous != sequence:
            return FALLBACK, time_ms, last
    if _past(frame, at, _OKX_END) != np.uint64(len(frame)) or time_ms >= _MILLIS_END:
        return FALLBACK, time_ms, last
    return _window_both(bids, asks, levels, first, both, False), time_ms, last


_BYBIT_TOPIC, _BYBIT_DELTA = _text(b'{"topic":"orderbook.'), _text(b'","type":"delta","ts":')
_BYBIT_SYMBOL, _BYBIT_BIDS = _text(b',"data":{"s":"'), _text(b'","b":[')
_BYBIT_OTHER, _BYBIT_CLOSE, _BYBIT_ENGINE, _DOT = _text(b',"seq":'), _text(b"}"), _text(b',"cts":'), _text(b".")


@_entry(_BYTES, _BYTES, types.int64, types.float64[::1], *[types.float64[::1]] * 2)
def apply_bybit(
    frame: bytes, symbol: bytes, sequence: int, levels: Floats, bids: Floats, asks: Floats
) -> tuple[Int, Int, Int]:
    """Apply a delta of Bybit's `orderbook` that follows `sequence`: (APPLIED or CROSSED, its cts or ts, its u).

    As `apply_okx`.
    """
    _, at = _integer(frame, _past(frame, _NONE, _BYBIT_TOPIC))
    at = _past(frame, _past(frame, _past(frame, at, _DOT), symbol), _BYBIT_DELTA)
    sent_ms, at = _integer(frame, at)
    at = _past(frame, _past(frame, _past(frame, at, _BYBIT_SYMBOL), symbol), _BYBIT_BIDS)
    at, first = _levels(frame, at, levels, 0, 0)
    at, both = _levels(frame, _past(frame, at, _ASKS), levels, first, 0)
    last, at = _integer(frame, _past(frame, at, _LAST))
    after = _past(frame, at, _BYBIT_OTHER)
    if after != _LOST:
        _, at = _integer(frame, after)
    at = _past(frame, at, _BYBIT_CLOSE)
    time_ms, after = sent_ms, _past(frame, at, _BYBIT_ENGINE)
    if after != _LOST:
        time_ms, at = _integer(frame, after)
    ends = _past(frame, at, _BYBIT_CLOSE) == np.uint64(len(frame))
    if not ends or last != sequence + 1 or sent_ms >= _MILLIS_END or time_ms >= _MILLIS_END:
        return FALLBACK, time_ms, last
    return _window_both(bids, asks, levels, first, both, True), time_ms, last


def compiled_now() -> bool:
    """Whether this process had to compile, since the cache did not hold everything."""
    entries: tuple[Any, ...] = (
        apply, best, tidy, top, sizes_of, rebuild, apply_frame, apply_lines, window_apply, apply_okx, apply_bybit
    )  # fmt: skip
    return any(entry.stats.cache_misses for entry in entries)
