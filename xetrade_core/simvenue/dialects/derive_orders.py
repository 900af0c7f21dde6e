"""Orders and trades of Derive: from the parameters of a call to a ticket, and from the desk to JSON.

Every order has a limit price, as that is signed; a market order is one that does not rest. What could not trade at all
is refused, what an immediate order leaves is cancelled. Fees are in USDC whatever is traded; unlike the venue the
simulated one asks no base fee beside the rate. Shapes: docs.derive.xyz, "private/order", "private/get_trade_history".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Cause,
    DeskFill,
    DeskOrder,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.dialects.derive_listings import kind_of, price_band
from xetrade_core.simvenue.dialects.derive_replies import DeriveRefused, Row, invalid
from xetrade_core.simvenue.dialects.derive_signed import Action, number_of
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

CODES: Mapping[RefusalKind, tuple[int, str]] = {
    RefusalKind.UNKNOWN_SYMBOL: (12001, "Instrument not found"),
    RefusalKind.BAD_PRICE: (11013, "Invalid limit price"),
    RefusalKind.BAD_AMOUNT: (11012, "Invalid amount"),
    RefusalKind.TOO_SMALL: (11012, "Invalid amount"),
    RefusalKind.TOO_LARGE: (11012, "Invalid amount"),
    RefusalKind.NOTIONAL: (11012, "Invalid amount"),
    RefusalKind.BAD_CLIENT_ID: (-32602, "Invalid params"),
    RefusalKind.DUPLICATE_CLIENT_ID: (11017, "Non unique nonce"),
    RefusalKind.INSUFFICIENT_FUNDS: (11000, "Insufficient funds"),
    RefusalKind.WOULD_TAKE: (11008, "Post-only reject"),
    RefusalKind.WOULD_NOT_FILL: (11014, "Fill-or-kill not filled"),
    RefusalKind.PRICE_BAND: (11013, "Invalid limit price"),
    RefusalKind.REDUCE_ONLY: (11025, "Reduce only reject"),
    RefusalKind.BUSY: (11021, "Instrument is not live"),
    RefusalKind.UNKNOWN_ORDER: (11006, "Does not exist"),
    RefusalKind.NOT_OPEN: (11006, "Does not exist"),
}
_STYLES = {
    "gtc": TimeInForce.GTC,
    "post_only": TimeInForce.POST_ONLY,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
}
_STATES = {
    State.OPEN: "open",
    State.PARTIALLY_FILLED: "open",
    State.FILLED: "filled",
    State.CANCELED: "cancelled",
    State.EXPIRED: "cancelled",
}
_REASONS = {
    Cause.USER: "user_request",
    Cause.AMENDED: "user_request",
    Cause.NO_COUNTERPART: "ioc_or_market_partial_fill",
    Cause.DEAD_MAN: "cancel_on_disconnect",
}
#: what a cancel of an order answers that has ended so
ENDED = {
    State.CANCELED: (11003, "Already cancelled"),
    State.EXPIRED: (11003, "Already cancelled"),
    State.FILLED: (11004, "Already filled"),
}
_LONGEST_LABEL = 64
_NOT_SIMULATED = ("trigger_type", "algo_type", "mmp", "extra_fee")
_TWELVE = Decimal("0.000000000001")


@dataclass(frozen=True, slots=True)
class Placed:
    """What the venue keeps of an order beside the desk."""

    action: Action
    order_type: str
    time_in_force: str
    replaces: int | None = None


def ticket_of(market: Market, params: Mapping[str, object], fee_rate: Decimal) -> Ticket:
    """The order that the parameters of a call ask for, as far as it can be taken now. Raises DeriveRefused."""
    kind, side = params.get("order_type", "limit"), params.get("direction")
    style = str(params.get("time_in_force") or "gtc")
    label = str(params.get("label") or "")
    if side not in ("buy", "sell"):
        raise invalid("direction must be one of buy, sell")
    if kind not in ("limit", "market") or style not in _STYLES:
        raise invalid("order_type must be one of limit, market; time_in_force one of gtc, post_only, fok, ioc")
    if len(label) > _LONGEST_LABEL:
        raise invalid(f"label must have at most {_LONGEST_LABEL} characters")
    if any(params.get(name) not in (None, False, 0, "0") for name in _NOT_SIMULATED):
        raise invalid(f"the simulated venue has no {', '.join(_NOT_SIMULATED)}")
    if kind == "market" and style == "post_only":
        raise DeriveRefused(11010, "Post-only invalid order type")
    chosen = TimeInForce.IOC if kind == "market" and style == "gtc" else _STYLES[style]
    ticket = Ticket(
        symbol=market.symbol,
        side=Side.BUY if side == "buy" else Side.SELL,
        amount=number_of(params, "amount"),
        price=number_of(params, "limit_price"),
        time_in_force=chosen,
        reduce_only=params.get("reduce_only") is True,
        client_id=label or None,
    )
    if ticket.reduce_only and chosen not in (TimeInForce.IOC, TimeInForce.FOK):
        raise DeriveRefused(11024, "Reduce only not supported with this time in force")
    if ticket.reduce_only and kind_of(market.listing) == "erc20":
        raise DeriveRefused(11025, "Reduce only reject")
    lowest, highest = price_band(market)
    price = number_of(params, "limit_price")
    if price > highest if side == "buy" else price < lowest:
        raise DeriveRefused(11013, "Invalid limit price", f"bandwidth {plain(lowest)} to {plain(highest)}")
    least = mark_price(market) * fee_rate
    if number_of(params, "max_fee") < least:
        raise DeriveRefused(11023, "Max fee order param is too low", f"signed max_fee must be >= {plain(least)}")
    return ticket


def require_liquidity(market: Market, ticket: Ticket) -> None:
    """An immediate order that nobody would take a part of is refused. Raises DeriveRefused."""
    if ticket.time_in_force is TimeInForce.IOC and ticket.price is not None:
        ticks = int(ticket.price / market.listing.instrument.price_tick)
        if not market.takeable(ticket.side, ticks):
            raise DeriveRefused(11009, "Zero liquidity for market or IOC/FOK order")


def order_row(order: DeskOrder, placed: Placed, subaccount: int) -> Row:
    """An order as every call and the stream tell it."""
    ticket, action = order.ticket, placed.action
    return {
        "subaccount_id": subaccount,
        "order_id": str(order.order_id),
        "instrument_name": order.market.venue_id,
        "direction": ticket.side.value,
        "label": ticket.client_id or "",
        "quote_id": None,
        "amount": plain(order.amount),
        "average_price": "0" if order.average is None else plain(order.average.quantize(_TWELVE)),
        "cancel_reason": "" if order.cause is None else _REASONS[order.cause],
        "creation_timestamp": order.created_ns // NS_PER_MS,
        "filled_amount": plain(order.filled),
        "is_transfer": False,
        "last_update_timestamp": order.updated_ns // NS_PER_MS,
        "limit_price": plain(action.limit_price),
        "signed_limit_price": None,
        "max_fee": plain(action.max_fee),
        "mmp": False,
        "nonce": str(action.nonce),
        "order_fee": plain(sum((fill.fee for fill in order.fills), Decimal(0))),
        "order_status": _STATES[order.state],
        "order_type": placed.order_type,
        "reduce_only": ticket.reduce_only,
        "replaced_order_id": None if placed.replaces is None else str(placed.replaces),
        "signature": action.signature,
        "signature_expiry_sec": action.expiry_s,
        "signer": action.signer,
        "time_in_force": placed.time_in_force,
        "trigger_type": None,
        "trigger_price": None,
        "trigger_price_type": None,
        "trigger_reject_message": None,
        "extra_fee": "0",
        "algo_type": None,
        "algo_duration_sec": None,
        "algo_num_slices": None,
        "algo_slices_completed": None,
    }


def trade_row(order: DeskOrder, fill: DeskFill, subaccount: int) -> Row:
    """A trade of an account."""
    mark = plain(mark_price(order.market))
    return {
        "subaccount_id": subaccount,
        "order_id": str(fill.order_id),
        "instrument_name": order.market.venue_id,
        "direction": fill.side.value,
        "label": fill.client_id or "",
        "quote_id": None,
        "trade_id": f"{order.market.venue_id}-{fill.trade_id}",
        "rfq_id": None,
        "timestamp": fill.time_ns // NS_PER_MS,
        "mark_price": mark,
        "index_price": mark,
        "trade_price": plain(fill.price),
        "trade_amount": plain(fill.amount),
        "liquidity_role": "maker" if fill.maker else "taker",
        "realized_pnl": plain(fill.realized - fill.fee),
        "realized_pnl_excl_fees": plain(fill.realized),
        "is_transfer": False,
        "batch_status": "Settled",
        "trade_fee": plain(fill.fee),
        "expected_rebate": "0",
        "tx_hash": "",
        "op_uuid": str(fill.trade_id),
        "extra_fee": "0",
    }
