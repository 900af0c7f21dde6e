"""What an account was paid for funding, out of its venue's history, through the unmodified ccxt class."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.bybit_fundings import bybit_fundings
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.deribit_fundings import deribit_fundings
from xetrade_core.execution.derive_fundings import derive_fundings
from xetrade_core.execution.kucoin_fundings import kucoin_fundings
from xetrade_core.execution.okx_fundings import okx_fundings
from xetrade_core.model.accounts import FundingPayment

#: rows of a page; every venue's history takes so many
PAGE = 100
#: where Binance writes the amount as text; ccxt reads it as a float
_AMOUNT = "income"
#: where ccxt has no call for it, or none that goes on to the next page, by venue id
_OWN: Mapping[str, Callable[[CcxtExecution, str, int], Awaitable[tuple[FundingPayment, ...]]]] = {
    "bybit": bybit_fundings,
    "deribit": deribit_fundings,
    "kucoinfutures": kucoin_fundings,
    "derive": derive_fundings,
    "okx": okx_fundings,
}


async def fundings_since(execution: CcxtExecution, symbol: str, since_ns: int) -> tuple[FundingPayment, ...]:
    """Every funding payment of the account in that symbol from `since_ns` on, all pages, oldest first.

    Raises ExecutionError.
    """
    own = _OWN.get(execution.rules.id)
    if own is not None:
        return _oldest_first(await own(execution, symbol, since_ns))

    async def ask(ccxt: Any, since_ms: int) -> list[Any]:
        rows: list[Any] = await ccxt.fetch_funding_history(symbol, since_ms, PAGE)
        return rows

    found: dict[str, FundingPayment] = {}
    since_ms = since_ns // NS_PER_MS
    what = f"funding payments of {symbol}"
    while True:
        page = await execution.once(what, partial(ask, since_ms=since_ms), symbol=symbol)
        with execution.reading(what):
            rows = [_payment(execution, row, symbol) for row in page]
        new = {row.payment_id: row for row in rows if row.payment_id not in found}
        found |= new
        if len(page) < PAGE or not new:
            return _oldest_first(found.values())
        since_ms = max(row.at_ns for row in rows) // NS_PER_MS


def _oldest_first(payments: Iterable[FundingPayment]) -> tuple[FundingPayment, ...]:
    return tuple(sorted(payments, key=lambda row: (row.at_ns, len(row.payment_id), row.payment_id)))


def _payment(execution: CcxtExecution, row: dict[str, Any], symbol: str) -> FundingPayment:
    """A row of ccxt's; the amount as the venue writes it, where it does as text. A row without an id is its time."""
    info = row["info"]
    text = info.get(_AMOUNT)
    amount = Decimal(text if isinstance(text, str) and float(text) == row["amount"] else repr(row["amount"]))
    at_ms = int(row["timestamp"])
    return FundingPayment(
        venue=execution.rules.id,
        account=execution.account,
        symbol=symbol,
        payment_id=str(row["id"] or at_ms),
        amount=amount,
        currency=row["code"],
        at_ns=at_ms * NS_PER_MS,
    )
