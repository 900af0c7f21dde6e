"""Deribit's rate limits: calls of an account cost credits, which come back by the second.

Orders, edits and cancels have credits of their own: 20 at once and 5 a second on the lowest tier; all other private
methods 100 at once and 20 a second. Source: docs.deribit.com/articles/rate-limits (2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass

from xetrade_core.simvenue.dialects.json_rpc import RpcError


@dataclass(slots=True)
class _Pool:
    left: float
    at_ms: int


class Credits:
    """The credits of all accounts of a venue; `unlimited` counts nothing."""

    def __init__(self, *, unlimited: bool) -> None:
        self._unlimited = unlimited
        self._pools: dict[tuple[str, bool], _Pool] = {}

    def take(self, account: str, now_ms: int, *, acts: bool) -> None:
        """Spend one call. Raises RpcError where there is nothing left."""
        if self._unlimited:
            return
        most, a_second = (20, 5) if acts else (100, 20)
        pool = self._pools.setdefault((account, acts), _Pool(most, now_ms))
        pool.left = min(most, pool.left + max(0, now_ms - pool.at_ms) / 1000 * a_second)
        pool.at_ms = now_ms
        if pool.left < 1:
            raise RpcError(10028, "too_many_requests", status=429, retry_after_s=1)
        pool.left -= 1
