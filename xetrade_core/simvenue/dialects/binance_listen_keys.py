"""Listen keys: what opens the user data stream of Binance's futures, for an hour after it was last asked for."""

from __future__ import annotations

from hashlib import sha256

from xetrade_core.clock import NS_PER_S


class ListenKeys:
    """The valid keys of all accounts; an account has one at a time. `life_s`: how long one lives without a renewal."""

    def __init__(self, life_s: float) -> None:
        self._life_ns = round(life_s * NS_PER_S)
        self._by_account: dict[str, str] = {}
        self._ends_ns: dict[str, int] = {}
        self._made = 0

    def create(self, account: str, now_ns: int) -> str:
        """The account's key, a new one if it has none; it is good for another hour."""
        key = self.renew(account, now_ns)
        if key is None:
            self._made += 1
            key = sha256(f"{account}:{self._made}".encode()).hexdigest()
            self._by_account[account] = key
            self._ends_ns[key] = now_ns + self._life_ns
        return key

    def renew(self, account: str, now_ns: int) -> str | None:
        """The account's key, good for another hour; None if it has none."""
        key = self._by_account.get(account)
        if key is None or not self.valid(key, now_ns):
            return None
        self._ends_ns[key] = now_ns + self._life_ns
        return key

    def close(self, account: str) -> None:
        """The account's key is good no more."""
        self._ends_ns.pop(self._by_account.pop(account, ""), None)

    def valid(self, key: str, now_ns: int) -> bool:
        """Whether a key still opens something."""
        return self._ends_ns.get(key, 0) > now_ns

    def account(self, key: str, now_ns: int) -> str | None:
        """Whose key it is; None if it is no key, or no longer."""
        if not self.valid(key, now_ns):
            return None
        return next((account for account, mine in self._by_account.items() if mine == key), None)
