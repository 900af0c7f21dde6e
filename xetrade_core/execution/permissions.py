"""What a key may do, as its venue tells: one that can withdraw is not used."""

from __future__ import annotations

from dataclasses import dataclass

from xetrade_core.errors import XETradeError


class WithdrawalAllowed(XETradeError):
    """The key can take money off the venue; an order never needs that."""

    def __init__(self, venue: str, account: str) -> None:
        super().__init__(
            f"the key of account {account} on {venue} can withdraw: make one that can trade and nothing else"
        )


class TradingNotAllowed(XETradeError):
    """The key can only read."""

    def __init__(self, venue: str, account: str) -> None:
        super().__init__(f"the key of account {account} on {venue} cannot trade: allow it on the venue's page of keys")


@dataclass(frozen=True, slots=True)
class KeyPermissions:
    """What the venue says of a key. None: it does not say."""

    trade: bool | None = None
    withdraw: bool | None = None
    ip_restricted: bool | None = None

    def require_safe(self, venue: str, account: str) -> None:
        """Raises WithdrawalAllowed or TradingNotAllowed; what the venue does not say passes here."""
        if self.withdraw:
            raise WithdrawalAllowed(venue, account)
        if self.trade is False:
            raise TradingNotAllowed(venue, account)
