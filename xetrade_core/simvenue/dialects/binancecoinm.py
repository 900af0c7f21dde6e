"""The wire dialect of Binance COIN-M futures: dapi.binance.com and dstream.binance.com."""

from __future__ import annotations

from xetrade_core.simvenue.dialects.binanceusdm import BinanceUsdm
from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Market


class BinanceCoinm(BinanceUsdm):
    """As USD-M; messages also name the pair, and calls for one symbol answer lists."""

    prefix = "/dapi/v1"
    inverse = True
    single_rows = False
    needs_symbol = True

    def depth_body(self, market: Market, last_id: int, levels: Levels, limit: int, now_ms: int) -> dict[str, object]:
        body = super().depth_body(market, last_id, levels, limit, now_ms)
        return {"lastUpdateId": last_id, "symbol": market.venue_id, **self.rest_pair(market), **body}

    def pair(self, market: Market) -> dict[str, object]:
        return {"ps": market.venue_id.partition("_")[0]}

    def rest_pair(self, market: Market) -> dict[str, object]:
        return {"pair": market.venue_id.partition("_")[0]}
