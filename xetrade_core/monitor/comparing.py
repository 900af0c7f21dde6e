"""What our fills make beside what venues say that accounts hold, told once it has been found twice alike.

A statement of a venue and the fills that it is held against are of two moments, and a fill may lie between them. So a
difference counts when the next statement finds the very same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from xetrade_core.model.orders import ZERO
from xetrade_core.monitor.accounts import AccountName, AccountSource
from xetrade_core.monitor.ledger import FillLedger
from xetrade_core.positions.numbers import short_text

Apart = dict[str, tuple[Decimal, Decimal]]
"""Here and at the venue, by the symbol of a contract in which they differ."""


def differences(ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal]) -> Apart:
    """Where the amounts of contracts are not the same; spot is no position."""
    both = {symbol: (ours.get(symbol, ZERO), theirs.get(symbol, ZERO)) for symbol in {*ours, *theirs}}
    return {symbol: both[symbol] for symbol in sorted(both) if ":" in symbol and both[symbol][0] != both[symbol][1]}


def held_against(ledger: FillLedger, name: AccountName, theirs: Mapping[str, Decimal], *, told: bool = False) -> Apart:
    """A venue's statement of an account against the ledger, but for what that leaves out; see `FillLedger.amounts`."""
    counted = {symbol: amount for symbol, amount in theirs.items() if (name[0], symbol) not in ledger.left_out}
    return differences(ledger.amounts(*name, told=told), counted)


def found_twice(before: Apart, now: Apart) -> Apart:
    """What two statements in a row found with the very same numbers."""
    return {symbol: both for symbol, both in now.items() if before.get(symbol) == both}


def in_words(name: AccountName, apart: Apart) -> list[str]:
    """`binanceusdm/main BTC/USDT:USDT: 0.015 here, 0.02 at the venue`."""
    return [
        f"{'/'.join(name)} {symbol}: {short_text(here, 18)} here, {short_text(there, 18)} at the venue"
        for symbol, (here, there) in apart.items()
    ]


class Comparison:
    """Holds each statement of a venue against the ledger once."""

    def __init__(self, ledger: FillLedger, accounts: AccountSource) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._compared: dict[AccountName, int] = {}
        self._last: dict[AccountName, Apart] = {}
        self._mismatches: dict[AccountName, tuple[str, ...]] = {}

    @property
    def mismatches(self) -> tuple[str, ...]:
        """What two statements in a row have found, and the last one still."""
        return tuple(one for found in self._mismatches.values() for one in found)

    def look(self) -> None:
        """Compare the accounts that were told of since."""
        if not self._ledger.whole_accounts:
            return
        for name, count in self._accounts.answers.items():
            if self._compared.get(name) != count:
                self._compared[name] = count
                now = held_against(self._ledger, name, self._accounts.amounts(name), told=True)
                stands = found_twice(self._last.get(name, {}), now)
                self._last[name] = now
                self._mismatches[name] = tuple(in_words(name, stands))
