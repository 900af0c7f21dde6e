"""The connections that all clients of a process share, host by host: a new client finds them open.

One pool for each event loop, as a connection belongs to its loop; it is closed with the last client that uses it. It
has no limit of its own: the rate budgets bound what is in flight, and aiohttp's default of 100 makes the rest wait
unseen, behind a timeout that runs already.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import aiohttp


@dataclass(slots=True)
class _Pool:
    connector: aiohttp.TCPConnector
    users: int = 0


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()


def pooled_session(*middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
    """A session on the running loop's pool; hand it to `release` after use."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None or pool.connector.closed:
        pool = _pools[loop] = _Pool(aiohttp.TCPConnector(limit=0, limit_per_host=0))
    pool.users += 1
    return aiohttp.ClientSession(connector=pool.connector, connector_owner=False, middlewares=middlewares)


async def release(session: aiohttp.ClientSession) -> None:
    """Close a session, and the pool with its last one."""
    pool = _pools.get(asyncio.get_running_loop())
    if session.closed or pool is None or session.connector is not pool.connector:
        return
    await session.close()
    pool.users -= 1
    if pool.users == 0:
        del _pools[asyncio.get_running_loop()]
        await pool.connector.close()
