"""How one account calls its venue through the unmodified ccxt class: each call once, signed with the venue's time.

What came of a call is one of three errors (`xetrade_core.trading.execution`), or a reply that is ours to read. What
the calls are for, and what the replies say, is in `ccxt_execution.py` and in the modules of the venues.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.errors import ConfigError, UnknownSymbol, XETradeError
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.reading import Reading
from xetrade_core.execution.telling import told
from xetrade_core.telemetry import register_secrets
from xetrade_core.trading.execution import ErrorReply, NotListed, NotSent
from xetrade_core.venues.budget import Priority
from xetrade_core.venues.ccxt_client import CcxtMarketData
from xetrade_core.venues.clock_offset import measure_offset
from xetrade_core.venues.transport import Asking, Call, asking, calling
from xetrade_core.venues.venue import ErrorKind

T = TypeVar("T")
Ask = Callable[[Any], Awaitable[T]]
#: after these the venue's clock is measured again; Deribit has no code of its own for a time that is not its
_OF_THE_CLOCK = (ErrorKind.CLOCK, ErrorKind.AUTHENTICATION)


class CcxtCalls:
    """The calls of one account. It shares connections, budget and list of markets with a client of market data."""

    ccxt_options: ClassVar[dict[str, object]] = {}
    #: whether an account is a wallet's: the key is its address, the secret a private key
    wallet: ClassVar[bool] = False
    #: whether a key has a passphrase
    passphrased: ClassVar[bool] = False

    def __init__(
        self, client: CcxtMarketData, account: str, credentials: Credentials, clock: Clock, *, wait_s: float = 5.0
    ) -> None:
        """`wait_s`: so long a call waits for the budget before it is given up unsent. `client` is closed with this."""
        self.rules = client.rules
        self.account = account
        self.clock = clock
        self._client = client
        self._credentials = credentials
        self._wait_ns = round(wait_s * NS_PER_S)
        self._clock_due = True
        self._offset_ms = 0
        self._setting_clock = asyncio.Lock()
        register_secrets(credentials)

    @classmethod
    def require_key(cls, account: str, credentials: Credentials) -> None:
        """Raises ConfigError for a key of a shape that the venue has not."""
        if cls.passphrased and not credentials.passphrase:
            raise ConfigError(
                f"account {account} has no passphrase, which its venue wants: set "
                f"XETRADE_ACCOUNTS__{account.upper()}__PASSPHRASE"
            )

    async def close(self) -> None:
        """See Execution."""
        await self._client.close()

    # -- one call ------------------------------------------------------------------------------------------------------

    async def once(
        self,
        what: str,
        ask: Ask[T],
        *,
        symbol: str | None = None,
        priority: Priority = Priority.ORDER,
        weight: int | None = None,
    ) -> T:
        """One call of ccxt's, made once. Raises NotSent, ErrorReply or NoReply. `weight`: None = by ccxt's table."""
        what = f"{what} on {self.rules.id}"
        deadline_ns = self.clock.monotonic_ns() + self._wait_ns
        with asking(Asking(priority=priority, deadline_ns=deadline_ns)):
            ccxt = await self._ready(what, symbol)
            with calling(Call(weight=weight, single=True)) as call:
                try:
                    return await ask(ccxt)
                except Exception as error:  # ccxt's parsers raise anything on a garbled reply
                    found = told(error, call, what)
        if isinstance(found, ErrorReply) and self.rules.errors.get(found.code or "") in _OF_THE_CLOCK:
            self._clock_due = True
        raise found from None

    async def unless_unknown(
        self, what: str, ask: Ask[T], *, symbol: str | None = None, weight: int | None = None
    ) -> T | None:
        """One call; None if the venue answers that it knows no such order."""
        try:
            return await self.once(what, ask, symbol=symbol, weight=weight)
        except ErrorReply as error:
            if self.is_unknown_order(error):
                return None
            raise

    def reading(self, what: str) -> Reading:
        """Within it a reply is read: NoReply if it cannot be."""
        return Reading(what, self.rules.id)

    async def _ready(self, what: str, symbol: str | None) -> Any:
        """ccxt with markets, key and the venue's time; what fails here leaves the call unsent."""
        try:
            ccxt = await self._client.exchange(symbol)
            if self._clock_due:
                await self._set_clock(ccxt)
        except UnknownSymbol as error:
            raise NotListed(f"{what}: {error}") from None
        except XETradeError as error:
            raise NotSent(f"{what}: {error}") from None
        self.give_key(ccxt)
        ccxt.options.update(self.ccxt_options)
        return ccxt

    def give_key(self, ccxt: Any) -> None:
        """Let ccxt sign."""
        credentials = self._credentials
        ccxt.apiKey, ccxt.secret, ccxt.password = credentials.api_key, credentials.secret, credentials.passphrase

    async def _set_clock(self, ccxt: Any) -> None:
        """Sign with the venue's time, as measured: a wider window would let old requests in."""
        async with self._setting_clock:
            if not self._clock_due:
                return
            if ccxt.has.get("fetchTime"):
                offset = await measure_offset(self._client.server_time_ns, self.clock, samples=3)
                self._offset_ms = round(offset.offset_s * 1000)
                ccxt.options["timeDifference"] = -self._offset_ms  # ccxt's: ours less theirs
            self._clock_due = False

    # -- for a private stream -----------------------------------------------------------------------------------------

    async def symbols(self) -> Callable[[str, str], str]:
        """From the venue's name of an instrument, and its kind (spot or contract), to the universal symbol.

        Also makes sure that the venue's clock is known. Raises NotSent.
        """
        ccxt = await self._ready(f"instruments of {self.rules.id}", None)
        return lambda venue_id, kind: str(ccxt.safe_symbol(venue_id, None, None, kind))

    async def lists(self, symbol: str) -> bool:
        """Whether the venue lists it, or lists it still. Raises NotSent."""
        try:
            await self._client.exchange(symbol)
        except UnknownSymbol:
            return False
        except XETradeError as error:
            raise NotSent(f"instruments of {self.rules.id}: {error}") from None
        return True

    def venue_ms(self) -> int:
        """What the venue's clock says, as last measured."""
        return self.clock.wall_ns() // NS_PER_MS + self._offset_ms

    @property
    def behind_ns(self) -> int:
        """See KnowsVenueTime."""
        return max(0, -self._offset_ms) * NS_PER_MS

    def signed(self, text: str) -> tuple[str, str]:
        """The key, and the HMAC SHA256 of a text under its secret."""
        credentials = self._credentials
        digest = hmac.new(credentials.secret.encode(), text.encode(), hashlib.sha256)
        return credentials.api_key, digest.hexdigest()

    def key_parts(self) -> tuple[str, str, str | None]:
        """Key, secret and passphrase, for a venue that signs in its own way."""
        credentials = self._credentials
        return credentials.api_key, credentials.secret, credentials.passphrase

    def is_unknown_order(self, error: Exception) -> bool:
        """Whether the venue says that it has no such order open."""
        return isinstance(error, ErrorReply) and self.rules.errors.get(error.code or "") is ErrorKind.UNKNOWN_ORDER
