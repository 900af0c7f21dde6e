"""The table of wire dialects: one class a venue. A new venue adds its module and its row here."""

from __future__ import annotations

from xetrade_core.simvenue.dialects.base import Dialect
from xetrade_core.simvenue.dialects.binance import BinanceSpot
from xetrade_core.simvenue.dialects.binancecoinm import BinanceCoinm
from xetrade_core.simvenue.dialects.binanceusdm import BinanceUsdm
from xetrade_core.simvenue.dialects.bybit import Bybit
from xetrade_core.simvenue.dialects.deribit import Deribit
from xetrade_core.simvenue.dialects.derive import Derive
from xetrade_core.simvenue.dialects.kucoin import KucoinSpot
from xetrade_core.simvenue.dialects.kucoinfutures import KucoinFutures
from xetrade_core.simvenue.dialects.max import Max
from xetrade_core.simvenue.dialects.okx import Okx

DIALECTS: dict[str, type[Dialect]] = {
    "binance": BinanceSpot,
    "binanceusdm": BinanceUsdm,
    "binancecoinm": BinanceCoinm,
    "okx": Okx,
    "bybit": Bybit,
    "kucoin": KucoinSpot,
    "kucoinfutures": KucoinFutures,
    "deribit": Deribit,
    "derive": Derive,
    "max": Max,
}
