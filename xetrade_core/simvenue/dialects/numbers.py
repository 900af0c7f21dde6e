"""How venues write amounts and prices in replies: text with every digit that counts."""

from __future__ import annotations

from xetrade_core.model.decimals import plain

__all__ = ["plain"]
