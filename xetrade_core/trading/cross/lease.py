"""Who drives a saga has it for a while, and says again and again that it lives: when it is silent another may go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import XETradeError
from xetrade_core.trading.cross.means import Means


class Lease:
    """A saga that this process has claimed as `name`."""

    def __init__(self, means: Means, key: str, name: str) -> None:
        self._means = means
        self._key = key
        self._name = name

    async def renew(self) -> None:
        """Keep it for as long again. Raises CrossBusy if another has taken it, StoreUnavailable."""
        until_ns = self._means.clock.wall_ns() + round(self._means.rules.lease_s * NS_PER_S)
        await asyncio.to_thread(self._means.sagas.renew, self._key, self._name, until_ns)

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep it meanwhile, and let go of it afterwards."""
        keeping = asyncio.ensure_future(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            with contextlib.suppress(XETradeError):
                await asyncio.to_thread(self._means.sagas.release, self._key, self._name)

    async def _keep(self) -> None:
        while True:
            await self._means.clock.sleep(self._means.rules.lease_s / 3)
            with contextlib.suppress(XETradeError):  # the next entry is refused then, which says so
                await self.renew()
