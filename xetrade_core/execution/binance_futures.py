"""The private sides of Binance USD-M and COIN-M in their own words. Positions are of one-way mode.

Shapes: developers.binance.com, "Derivatives Trading", USD-M and COIN-M, "Trade" and "Account" (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, ClassVar

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.binance import BinanceExecution, named, typed
from xetrade_core.execution.dead_man import DeadMan, Fires
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.positions import signed_positions
from xetrade_core.execution.raw import Row, needed, needed_number, plain, true
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import Fill, Intent, OrderReport, Side
from xetrade_core.trading.execution import OrderRef
from xetrade_core.venues.budget import Priority

PAGE = 1000
WEEK_MS = 7 * 86_400_000  # the most that a call for trades spans
_READ_WEIGHT = 5  # of trades and positions
_COUNT_DOWN_WEIGHT = 10


class BinanceFuturesExecution(BinanceExecution):
    """What both futures markets have in common; the subclasses name ccxt's methods for their own paths."""

    #: as the venue states them; an order costs no weight, but 1,200 of them a minute are all, of 2,400 weight
    weights = MappingProxyType(
        {"place": 2, "cancel": 1, "find": 1, "open orders": 1, "all open orders": 40, "balances": 5}
    )
    trade_history_s = 180 * 86_400.0  # so far back the venue tells them
    #: the venue looks about every 10 ms and says no bounds; below 3 s a slow network would fire it
    dead_man = DeadMan(Fires.SILENCE, 3, 86_400, by_symbol=True)
    put_order: ClassVar[str]
    get_positions: ClassVar[str]
    post_count_down: ClassVar[str]

    def order_params(self, intent: Intent) -> dict[str, object]:
        """See CcxtExecution. Post-only is a time in force of its own, GTX."""
        params: dict[str, object] = {"side": intent.side.value.upper(), "newOrderRespType": "RESULT", **typed(intent)}
        if intent.post_only:
            params["timeInForce"] = "GTX"
        if intent.reduce_only:
            params["reduceOnly"] = True
        return params

    def canceled(self, row: Row, ref: OrderRef) -> OrderReport:
        """See CcxtExecution. Unlike on spot the reply keeps the order's own client id."""
        return self.report(row, ref.symbol)

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution. It keeps both ids and loses its place in the queue."""
        wanted: dict[str, object] = {"side": intent.side.value.upper(), "quantity": plain(intent.amount)}
        if intent.price is not None:
            wanted["price"] = plain(intent.price)
        row = await self._acting(
            "amendment", self.put_order, ref.symbol, {**named(ref), **wanted}, "place", Priority.ORDER
        )
        with self.reading("amendment"):
            return self.amended(row, intent)

    async def count_down(self, symbol: str | None, within_s: float) -> None:
        """See CountsDown. A symbol at a time."""
        wait_ms = round(within_s * 1000)
        await self.once(
            f"countdown of {symbol}",
            lambda ccxt: getattr(ccxt, self.post_count_down)(
                {"symbol": ccxt.market_id(symbol), "countdownTime": wait_ms}
            ),
            symbol=symbol,
            priority=Priority.CANCEL,
            weight=_COUNT_DOWN_WEIGHT,
        )

    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """See CcxtExecution. A week at a time; within it by trade id, as many share a millisecond."""
        now_ms = self.clock.wall_ns() // NS_PER_MS
        found: list[Any] = []
        start = max(since_ms, now_ms - round(self.trade_history_s * 1000))
        while start <= now_ms:
            end = start + WEEK_MS - 1
            page = await self._page(symbol, {"startTime": start, "endTime": end})
            found += page
            while len(page) == PAGE:
                with self.reading("trades"):
                    last, at_ms = int(page[-1]["info"]["id"]), page[-1]["timestamp"]
                    if at_ms > end:
                        break
                page = await self._page(symbol, {"fromId": last + 1})
                found += page
            start = end + 1
        return found

    async def _page(self, symbol: str, params: dict[str, object]) -> list[Any]:
        return await self.once(
            f"trades of {symbol}",
            lambda ccxt: ccxt.fetch_my_trades(symbol, None, PAGE, params),
            symbol=symbol,
            weight=_READ_WEIGHT,
        )

    def fill(self, row: Row, symbol: str) -> Fill:
        """See CcxtExecution. Amounts are in contracts on COIN-M, in base currency on USD-M."""
        return self.traded(row, symbol, Side(needed(row, "side").lower()), maker=true(row["maker"]))

    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """See CcxtExecution. The wallet: what open positions would bring is not in it."""
        for one in row["assets"]:
            total, free = needed_number(one, "walletBalance"), needed_number(one, "availableBalance")
            yield Balance(self.rules.id, self.account, needed(one, "asset"), total, free, received_ns)

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution. In contracts on COIN-M, in base currency on USD-M."""

        async def ask(ccxt: Any) -> list[tuple[str, Any]]:
            rows = await getattr(ccxt, self.get_positions)()
            return [(ccxt.safe_symbol(row["symbol"], None, None, "contract"), row) for row in rows]

        rows = await self.once("positions", ask, weight=_READ_WEIGHT)
        names = {"amount": "positionAmt", "entry": "entryPrice", "liquidation": "liquidationPrice"}
        with self.reading("positions"):
            return signed_positions(self, rows, **names)

    async def permissions(self) -> KeyPermissions:
        """See CcxtExecution."""
        row = await self.restrictions()
        with self.reading("permissions"):
            return KeyPermissions(
                trade=true(row["enableFutures"]),
                withdraw=true(row["enableWithdrawals"]),
                ip_restricted=true(row["ipRestrict"]),
            )


class BinanceUsdmExecution(BinanceFuturesExecution):
    """USD-M: linear contracts."""

    post_order = "fapiPrivatePostOrder"
    delete_order = "fapiPrivateDeleteOrder"
    put_order = "fapiPrivatePutOrder"
    get_positions = "fapiPrivateV3GetPositionRisk"
    post_count_down = "fapiPrivatePostCountdownCancelAll"


class BinanceCoinmExecution(BinanceFuturesExecution):
    """COIN-M: inverse contracts."""

    post_order = "dapiPrivatePostOrder"
    delete_order = "dapiPrivateDeleteOrder"
    put_order = "dapiPrivatePutOrder"
    get_positions = "dapiPrivateGetPositionRisk"
    post_count_down = "dapiPrivatePostCountdownCancelAll"
