"""Cases as they are written in a file: JSON with an instrument, fills, funding and a mark, or a list of such."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from xetrade_core.errors import ConfigError
from xetrade_core.model.orders import Side
from xetrade_core.positions.case import Case, CaseFill, CaseFunding, PositionMode, PositionSide
from xetrade_core.positions.conversion import Rate, Rates
from xetrade_core.positions.fields import Fields, number, read_json
from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.numbers import exact_sum
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.written_payout import read_payout
from xetrade_core.symbols.parts import Style

ZERO = Decimal(0)
SHAPE = '{"instrument": {"type": "linear", ...}, "fills": [...], "funding": [...], "mark": "101"}, or a list of such'

_TIME = ("timestamp", "datetime")
_MARK = ("mark_price", "markPrice")
_SIDE = ("position_side", "positionSide")
CASE = {
    "instrument": (), "fills": ("trades",), "funding": ("fundings", "funding_payments"), "mark": _MARK,
    "method": ("lot_method",), "mode": ("position_mode",), "rates": (), "name": ("id", "case"),
    "leverage": (), "wallet": ("wallet_balance",), "maintenance_rate": ("maintenance_margin_rate", "mmr"),
    "maintenance_amount": ("maintenance_deduction",),
}  # fmt: skip
FILL = {
    "side": (), "qty": ("amount", "quantity", "size"), "price": (), "fee": ("commission",), "fee_price": (),
    "fee_currency": ("feeCurrency", "commissionAsset", "commission_asset"), "time": _TIME, "position": _SIDE,
}  # fmt: skip
TRADE = ("trade_id", "tradeId", "id")
FEE = {"cost": (), "currency": ()}
#: often in exports: what a fee was reckoned from, which is no concern of ours
BESIDE = ("fee_rate", "feeRate")
FUNDING = {
    "rate": ("funding_rate", "fundingRate"), "mark": _MARK, "amount": ("payment", "income"), "time": _TIME,
    "position": _SIDE,
}  # fmt: skip
RATE = {"price": ("rate", "value"), "time": ("timestamp", "datetime")}


def read_cases(text: bytes | str, name: str) -> tuple[list[Case], bool]:
    """The cases of a JSON document, and whether it is a list of them.

    Numbers may be text or JSON numbers, both are read digit by digit. Raises ConfigError that names the case, the
    field, its value and what is allowed.
    """
    document = read_json(text, name)
    if isinstance(document, list):
        return [_case(one, f"{name}: case {index}") for index, one in enumerate(document, 1)], True
    return [_case(document, name)], False


def _case(value: Any, place: str) -> Case:
    fields = Fields(value, place, CASE, SHAPE, joint=": ")
    if title := str(fields.get("name") or ""):
        fields.place = place = f"{place} ({title})"
    rows = fields.rows("fills")
    mode = fields.choice("mode", PositionMode, PositionMode.HEDGE if _tells_sides(rows) else PositionMode.NETTING)
    once = _once(rows)
    fills = tuple(_fill(rows[index], f"{place}: fills[{index}]", mode) for index in once)
    payout = read_payout(fields.get("instrument"), f"{place}: instrument", fills)
    funding = tuple(
        _funding(one, f"{place}: funding[{index}]", mode, payout) for index, one in enumerate(fields.rows("funding"))
    )
    _check_times(fills, funding, place)
    return Case(
        name=place,
        payout=payout,
        title=title,
        fills=fills,
        rows=once,
        repeated=len(rows) - len(once),
        funding=funding,
        mark=_mark(fields, payout),
        method=fields.choice("method", LotMethod, LotMethod.AVERAGE),
        mode=mode,
        rates=_rates(fields.get("rates"), f"{place}: rates", payout),
        leverage=fields.number("leverage", above=ZERO),
        wallet=fields.number("wallet", above=ZERO),
        maintenance_rate=fields.number("maintenance_rate", least=ZERO),
        maintenance_amount=fields.number("maintenance_amount") or ZERO,
    )


def _once(rows: Sequence[Any]) -> tuple[int, ...]:
    """Which fills count: one that has an id and is another's twin in every field is the same trade, exported twice."""
    twins: dict[str, list[Any]] = {}
    kept = []
    for index, row in enumerate(rows):
        name = (
            next((row[one] for one in TRADE if row.get(one) not in (None, "")), None) if isinstance(row, dict) else None
        )
        if name is not None:
            alike = twins.setdefault(str(name), [])
            if row in alike:
                continue
            alike.append(row)
        kept.append(index)
    return tuple(kept)


def _of_ccxt(value: Any, place: str) -> Any:
    """A trade as ccxt gives it in the fields of a fill: its fee an object or a list of them, its time there twice."""
    if not isinstance(value, dict):
        return value
    row = {name: other for name, other in value.items() if not (name == "datetime" and "timestamp" in value)}
    listed = row.pop("fees") if isinstance(row.get("fees"), list | None) and "fees" in row else None
    given = row.get("fee")
    if isinstance(given, dict):
        return row | _fee_of([given], f"{place}.fee")
    return row | _fee_of(listed, f"{place}.fees") if listed and given in (None, "") else row


def _fee_of(listed: list[Any], place: str) -> dict[str, Any]:
    """What objects of one currency come to."""
    fees = [Fields(one, place, FEE, '{"cost": "0.1", "currency": "USDT"}') for one in listed]
    paid = [(fee.get("currency"), cost) for fee in fees if (cost := fee.number("cost")) is not None]
    currencies = {str(currency) for currency, _ in paid}
    if len(currencies) > 1:
        named = ", ".join(sorted(currencies))
        raise ConfigError.of(place, named, "fees in one currency: make a fill of each part, with its fee")
    return {"fee": exact_sum(cost for _, cost in paid), "fee_currency": paid[0][0]} if paid else {"fee": None}


def _fill(value: Any, place: str, mode: PositionMode) -> CaseFill:
    fields = Fields(_of_ccxt(value, place), place, FILL, '{"side": "buy", "qty": "1", "price": "100"}', BESIDE)
    return CaseFill(
        side=fields.choice("side", Side),
        qty=fields.needed("qty", above=ZERO),
        price=fields.needed("price", above=ZERO),
        time_ns=fields.time_ns("time"),
        fee=fields.number("fee") or ZERO,
        fee_currency=fields.word("fee_currency"),
        fee_price=fields.number("fee_price", above=ZERO),
        position=_position(fields, mode, needed=True),
    )


def _funding(value: Any, place: str, mode: PositionMode, payout: Payout) -> CaseFunding:
    fields = Fields(value, place, FUNDING, '{"rate": "0.0001", "mark": "100", "time": "..."}')
    if payout.style is Style.SPOT:
        raise ConfigError(f"{place} is not valid: a spot position pays no funding")
    amount, rate = fields.number("amount"), fields.number("rate")
    if amount is not None and rate is not None:
        raise ConfigError(f"{place} has both rate and amount: give rate and mark, or the amount that was received")
    if amount is None:
        rate = fields.needed("rate", why="rate and mark, or the amount that was received")
    return CaseFunding(
        time_ns=fields.time_ns("time"),
        rate=rate,
        mark=None if rate is None else fields.needed("mark", above=ZERO),
        amount=amount,
        position=_position(fields, mode, needed=amount is not None),
    )


def _tells_sides(rows: Sequence[Any]) -> bool:
    """Whether a fill names the position it belongs to, which only hedge mode has."""
    given = [row.get(name) for row in rows if isinstance(row, dict) for name in ("position", *FILL["position"])]
    return any(isinstance(word, str) and word.strip().lower() in ("long", "short") for word in given)


def _position(fields: Fields, mode: PositionMode, needed: bool) -> PositionSide:
    if mode is PositionMode.NETTING:
        return PositionSide.NET
    side = fields.choice("position", PositionSide, None if needed else PositionSide.NET)
    if needed and side is PositionSide.NET:
        raise ConfigError.of(fields.at("position"), side.value, "long or short, as the mode is hedge")
    return side


def _check_times(fills: Sequence[CaseFill], funding: Sequence[CaseFunding], place: str) -> None:
    """All of them have a time, or none has: anything between has no order."""
    times = [(f"fills[{i}]", fill.time_ns) for i, fill in enumerate(fills)]
    times += [(f"funding[{i}]", one.time_ns) for i, one in enumerate(funding)]
    without = [name for name, time in times if time is None]
    if without and len(without) < len(times):
        raise ConfigError(f"{place}: {without[0]}.time is missing: others have one, and without it there is no order")


def _mark(fields: Fields, payout: Payout) -> Decimal | None:
    """A mark may be 0, except where its reciprocal is needed."""
    return fields.number("mark", above=ZERO) if payout.inverse else fields.number("mark", least=ZERO)


def _rates(value: Any, place: str, payout: Payout) -> Rates:
    """`{"BNB": "600"}` in settlement currency, or `{"BNB/BTC": {"price": "0.01", "time": "..."}}`."""
    if value is None:
        return Rates()
    if not isinstance(value, dict):
        raise ConfigError.of(place, str(value), '{"BNB": "600"}, the value of one unit in settlement currency')
    return Rates(_rate(name, one, f"{place}.{name}", payout) for name, one in value.items())


def _rate(name: str, value: Any, place: str, payout: Payout) -> Rate:
    base, _, quote = name.partition("/")
    at_ns = None
    if isinstance(value, dict):
        fields = Fields(value, place, RATE, '{"price": "600", "time": "..."}')
        price, at_ns = fields.needed("price", above=ZERO), fields.time_ns("time")
    else:
        price = number(value, place)
        if not price > 0:
            raise ConfigError.of(place, str(value), "above 0")
    return Rate(base, quote or payout.settle, price, at_ns)
