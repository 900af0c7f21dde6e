"""How venues write amounts and prices: in replies text with every digit that counts, in calls text that must be one."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from xetrade_core.model.decimals import plain
from xetrade_core.simvenue.desk import DeskRefusal, RefusalKind

__all__ = ["number_of", "plain"]


def number_of(fields: Mapping[str, str], name: str, kind: RefusalKind) -> Decimal:
    """A mandatory number of a call. Raises DeskRefusal of that kind."""
    try:
        value = Decimal(fields.get(name) or "")
    except InvalidOperation:
        raise DeskRefusal(kind) from None
    if not value.is_finite() or value <= 0:
        raise DeskRefusal(kind)
    return value
