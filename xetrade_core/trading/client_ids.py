"""Client order ids: one for each intent, the same whenever the same intent is made again.

A retry of a run therefore names the orders that it placed before instead of placing new ones. The id is a hash of who
asks (the root run's id, or a key of the caller's), the step, and the index of the order in it; 144 bits, so that no two
intents of one house ever meet. It starts with a letter, is lowercase letters and digits, and at most 31 long, which
every venue takes: Binance 36, OKX 32 alphanumeric, Bybit 36, KuCoin 40, MAX 36.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from xetrade_core.errors import ConfigError, NotSupported
from xetrade_core.venues.venue import Venue

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_BYTES = 18
_LENGTH = -(-_BYTES * 8 // 5)
_PAIRS = tuple(low + high for high in _DIGITS for low in _DIGITS)
_PREFIX = "x"


def client_order_id(root: str, step: str = "", index: int = 0) -> str:
    """The id of the `index`-th order of `step` of `root` (a root run's id, or a caller's key). Raises ConfigError."""
    if not root:
        raise ConfigError.of("order key", root, "give the run's id, or any text that names this intent and no other")
    if index < 0:
        raise ConfigError.of("order index", index, "zero or more")
    parts = (root.encode(), step.encode(), str(index).encode())
    named = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    number = blake2b(named, digest_size=_BYTES, person=b"xetrade order").digest()
    bits, pairs = int.from_bytes(number, "big"), []
    for _ in range(0, _LENGTH, 2):
        pairs.append(_PAIRS[bits & 1023])
        bits >>= 10
    return _PREFIX + "".join(pairs)[:_LENGTH]  # the last digit first


def is_ours(client_id: str) -> bool:
    """Whether an id has the shape of those that are made here."""
    return re.fullmatch(f"{_PREFIX}[{_DIGITS}]{{{_LENGTH}}}", client_id) is not None


def require_valid(client_id: str, venue: Venue) -> None:
    """Raises NotSupported if the venue takes no client ids, ConfigError if not this one."""
    rule = venue.client_ids
    if rule is None:
        raise NotSupported(f"{venue.id} takes no client order ids, so an order without an answer could not be found")
    if not re.fullmatch(rule.pattern, client_id):
        raise ConfigError.of("client order id", client_id, f"{venue.id} takes {rule.pattern}")
