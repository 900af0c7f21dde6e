"""The key of an account, which is never printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from xetrade_core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key, its secret and, where the venue has one, its passphrase. No str, repr or pickle shows them.

    Where accounts are wallets, `api_key` is the wallet's address, `secret` the private key of whoever signs for it, and
    `subaccount` the number of the part that is traded.
    """

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)
    subaccount: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("api_key", self.api_key), ("secret", self.secret), ("passphrase", self.passphrase)):
            if value is not None and not value.strip():
                raise ConfigError(f"{name} is empty: give it in the environment, or leave the account out")

    def __iter__(self) -> Iterator[str]:
        """Each secret, to be kept out of logs."""
        return iter([one for one in (self.api_key, self.secret, self.passphrase) if one is not None])

    def __reduce__(self) -> NoReturn:
        raise TypeError("the key of an account does not leave the process")
