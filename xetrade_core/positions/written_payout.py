"""The instrument of a written case: its style, its multiplier and its currencies, as far as they must be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from xetrade_core.errors import ConfigError
from xetrade_core.positions.case import CaseFill
from xetrade_core.positions.fields import Fields
from xetrade_core.positions.payout import Payout
from xetrade_core.symbols.pairs import read_pair
from xetrade_core.symbols.parts import DOLLARS, Style

INSTRUMENT = {
    "type": ("style", "kind"), "multiplier": ("contract_size", "contract_value", "contractSize"), "symbol": (),
    "base": ("base_currency",), "quote": ("quote_currency",),
    "settle": ("settlement", "settle_currency", "settlement_currency", "margin_currency"),
}  # fmt: skip
#: currencies that prices are quoted in: a fee in one, where nothing names the currencies, is in the quote currency
QUOTED_IN = DOLLARS | {"EUR", "GBP", "JPY", "TWD", "KRW", "TRY", "BRL", "AUD", "CHF"}


def read_payout(value: Any, place: str, fills: Sequence[CaseFill]) -> Payout:
    """The instrument at `place`. Its symbol may be in any spelling (`BTC/USDT:USDT`, `BTCUSDT`); one that cannot be
    read is a name and no more. Currencies that are not named are those that fees are paid in, where that is clear.

    Raises ConfigError, also where a fee could be in more than one of its currencies.
    """
    fields = Fields(value, place, INSTRUMENT, '{"type": "linear", "multiplier": "1", ...}')
    payout = _named(fields)
    paid = {fill.fee_currency for fill in fills if fill.fee and fill.fee_currency}
    if not payout.settle:
        payout = _by_fees(payout, paid, place)
    unclear = paid - {payout.quote}
    if payout.style is Style.SPOT and not payout.base and unclear:
        raise ConfigError(
            f"{place}.base is missing: a fee is paid in {min(unclear)}, and one in the base currency of a spot "
            "instrument is taken from the inventory"
        )
    return payout


def _named(fields: Fields) -> Payout:
    """What its symbol and its fields say; currencies that they leave open are empty."""
    symbol = fields.word("symbol")
    parts = next(iter(read_pair(symbol)), None)
    known = None if parts is None else Payout.of_parts(parts)
    told = None if known is None or parts is None or parts.settle is None else known.style
    named = {} if known is None else {"base": known.base, "quote": known.quote, "settle": known.settle if told else ""}
    style = fields.choice("type", Style, told or (None if known is None else Style.SPOT))
    if told not in (None, style):
        raise ConfigError.of(fields.at("type"), style.value, f"{symbol} is {told}; leave one of them out")
    multiplier = fields.number("multiplier", above=Decimal(0)) or Decimal(1)
    base, quote, settle = (fields.word(name) or named.get(name, "") for name in ("base", "quote", "settle"))
    if style is Style.INVERSE:
        settle, base = settle or base, base or settle
        if settle != base:
            raise ConfigError.of(fields.at("settle"), settle, f"an inverse contract settles in its base, {base}")
    elif style is not Style.QUANTO:
        settle, quote = settle or quote, quote or settle
        if style is Style.SPOT and settle != quote:
            raise ConfigError.of(fields.at("settle"), settle, f"a spot instrument settles in its quote, {quote}")
    return Payout(style, multiplier, base, quote, settle)


def _by_fees(payout: Payout, paid: set[str], place: str) -> Payout:
    """With the currencies that fees tell: prices are quoted in dollars, and no inverse contract settles in them."""
    quoted = sorted(paid & QUOTED_IN)
    other = sorted(paid - QUOTED_IN)
    if payout.style in (Style.SPOT, Style.LINEAR):
        if len(quoted) == 1:
            return replace(payout, quote=quoted[0], settle=quoted[0])
    elif payout.style is Style.INVERSE:
        if len(quoted) <= 1 and len(other) <= 1:
            base = other[0] if other else ""
            return replace(payout, base=base, settle=base, quote=payout.quote or (quoted[0] if quoted else ""))
    elif len(paid) == 1:
        return replace(payout, settle=min(paid))
    if not paid:
        return payout
    raise ConfigError(
        f'{place} names no currencies, and fees are paid in {", ".join(sorted(paid))}: add "symbol", such as BTC/USDT '
        'or BTC/USD:BTC, or "base", "quote" and "settle"'
    )
