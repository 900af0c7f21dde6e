"""Which instruments a person may have meant by a name that a venue does not list.

The same base is near whatever the quote is; another base only if it is one slip of the keyboard away and the quote
fits: NOPE-USDT is no ONE-USDT.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from xetrade_core.symbols.pairs import plain_name, read_pair

HINTS = 4
_QUOTES = ("USDT", "USDC", "USD", "EUR", "BTC")  # the likelier meant first, where nothing else tells
_ID_CUTOFF = 0.92  # a letter of a dozen: in a shorter id, one may make another instrument
_FARTHEST = 3
_ONE_SLIP = 0.25  # of 1: a quote that has nothing of what was meant
_EXPIRING = 2
_MARKS = re.compile(r"[-_/:]")


def near_symbols(text: str, known: Iterable[str], venue_ids: Iterable[str] = ()) -> str:
    """A hint for an unknown name: the near ones of these universal symbols, else some that exist.

    `venue_ids`: the venue's own, in the symbols' order, where they may have been meant.
    """
    symbols = list(known)
    ids = {plain_name(one): symbol for one, symbol in zip(venue_ids, symbols, strict=False)}
    close = [ids[one] for one in difflib.get_close_matches(plain_name(text), ids, n=1, cutoff=_ID_CUTOFF)]
    close += _near(text, symbols)
    if close:
        return f"did you mean {' or '.join(list(dict.fromkeys(close))[:HINTS])}?"
    if not symbols:
        return "it lists nothing"
    if len(symbols) == 1:
        return f"it lists {symbols[0]} alone"
    return f"it lists {len(symbols)} instruments, such as {', '.join(sorted(symbols, key=_familiar)[:HINTS])}"


def _near(text: str, symbols: list[str]) -> list[str]:
    """The near ones, nearest first; such as expire only if there is nothing else."""
    base, quote, *_ = (*_MARKS.split(text.strip().upper()), "")  # of an id such as BTC-USDT-SWAP, else all of it
    meant = [(pair.base, pair.quote) for pair in read_pair(text)] or [(base, quote)]
    ranked = []
    for symbol in symbols:
        base, _, quote = symbol.partition(":")[0].partition("/")
        far = min(_distance(base, quote, *pair) for pair in meant)
        if far <= _FARTHEST:
            ranked.append((far, *_familiar(symbol)))
    lasting = [row for row in ranked if row[1] < _EXPIRING]
    return [symbol for *_, symbol in sorted(lasting or ranked)]


def _distance(base: str, quote: str, meant_base: str, meant_quote: str) -> float:
    """From 0 for the same pair; above _FARTHEST: another one."""
    if base == meant_base:
        if not meant_quote or quote == meant_quote:
            return 0.0
        if _one_slip(quote, meant_quote):  # USD and USDT are as near to USDX: the familiar one goes first
            return _ONE_SLIP
        return 1 - difflib.SequenceMatcher(None, quote, meant_quote).ratio()
    if (base, quote) == (meant_quote, meant_base):
        return 1.5
    if meant_quote and (quote == meant_quote or _one_slip(quote, meant_quote)) and _one_slip(base, meant_base):
        return 2.0 + (sorted(base) != sorted(meant_base)) * 0.5 + (quote != meant_quote) * 0.25
    return _FARTHEST + 1


def _one_slip(one: str, other: str) -> bool:
    """Whether a letter more, another letter or two neighbours in turn make one of the other."""
    if min(len(one), len(other)) < 2 or abs(len(one) - len(other)) > 1:
        return False
    if len(one) == len(other):
        wrong = [at for at, (left, right) in enumerate(zip(one, other, strict=True)) if left != right]
        return len(wrong) == 1 or (len(wrong) == 2 and wrong[1] == wrong[0] + 1 and sorted(one) == sorted(other))
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))


def _familiar(symbol: str) -> tuple[int, int, str]:
    """Spot before swaps before what expires, and the usual quotes first."""
    pair, _, settlement = symbol.partition(":")
    quote = pair.partition("/")[2]
    kind = 1 + settlement.count("-") if settlement else 0
    return kind, _QUOTES.index(quote) if quote in _QUOTES else len(_QUOTES), symbol
