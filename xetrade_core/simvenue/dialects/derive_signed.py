"""Who calls, and what was signed: Derive's wallets, session keys, sign-in and actions.

A wallet owns its account; session keys act for it. Every private call is signed in with the time (EIP-191), and every
order is signed once more as an action (EIP-712), over its terms, its nonce and who signs. Source: docs.derive.xyz,
"Session login", "Action signing", "Access scopes".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.clock import NS_PER_S
from xetrade_core.simvenue.desk import Account, ApiKey, Desk
from xetrade_core.simvenue.dialects.derive_listings import asset_of
from xetrade_core.simvenue.dialects.derive_replies import DeriveRefused, invalid
from xetrade_core.simvenue.ethereum import address_of, keccak256, signer_of
from xetrade_core.simvenue.market import Market

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_PRIVATE_KEY = re.compile(r"(?:0x)?[0-9a-f]{64}")
_LOGIN_MS = 60_000
_DAY_S = 86_400
_EXPIRY_S = (300, 120 * _DAY_S)  # from now
_NONCE_NS = (90 * _DAY_S * NS_PER_S, 3_600 * NS_PER_S)  # so much before now and after
_SCALE = 10**18
_TRADE_MODULE = "0xb8d20c2b7a1ad2ee33bc50ef10876ed3035b5e7b"
_MATCHING = "0xeb8d770ec18db98db922e9d83260a585b9f0dead"
_CHAIN_ID = 1


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever signed a call in: for which wallet, with which key."""

    account: Account
    issued: ApiKey
    wallet: str
    signer: str

    @property
    def subaccount(self) -> int:
        """The one subaccount that the wallet has."""
        return subaccount_of(self.issued.key)

    @property
    def scopes(self) -> list[str]:
        """The protocol scopes of the key; the wallet's own has all."""
        if self.signer == self.wallet:
            return ["admin"]
        return [*(["trade:all"] if self.issued.trade else []), *(["withdraw:all"] if self.issued.withdraw else [])]

    def require_trade(self) -> None:
        """Raises DeriveRefused for a key that only reads."""
        if self.signer != self.wallet and not self.issued.trade:
            raise DeriveRefused(14031, "Unauthorized key scope")


@dataclass(frozen=True, slots=True)
class Action:
    """The signed terms of an order, beside what the desk keeps of it."""

    nonce: int
    signature: str
    expiry_s: int
    signer: str
    limit_price: Decimal
    max_fee: Decimal


def wallet_of(key: str) -> str:
    """The wallet of an account's key: the key, if it is an address, else one that is made of it."""
    return key.lower() if _ADDRESS.fullmatch(key.lower()) else "0x" + hashlib.sha256(key.encode()).hexdigest()[:40]


def subaccount_of(key: str) -> int:
    """The subaccount's id, which is made of the key too."""
    return int(hashlib.sha256(key.encode()).hexdigest()[40:46], 16)


def private_key_of(secret: str) -> str:
    """The private key of a secret: the secret, if it is one, else one that is made of it; hex without 0x."""
    if _PRIVATE_KEY.fullmatch(secret.lower()):
        return secret.lower().removeprefix("0x")
    return hashlib.sha256(secret.encode()).hexdigest()


class Wallets:
    """The wallets of a desk's accounts, and the nonces that each has used."""

    def __init__(self, desk: Desk) -> None:
        self._callers = [
            Caller(account, issued, wallet_of(issued.key), address_of(int(private_key_of(issued.secret), 16)))
            for account in desk.accounts.values()
            for issued in account.keys
        ]
        self._nonces: set[tuple[str, int]] = set()

    def of_wallet(self, wallet: str) -> list[Caller]:
        """Every key that acts for a wallet."""
        return [caller for caller in self._callers if caller.wallet == wallet.lower()]

    def of_account(self, account: str) -> Caller:
        """The first of an account."""
        return next(caller for caller in self._callers if caller.account.name == account)

    def signed_in(self, wallet: str, timestamp: str, signature: str, now_ms: int) -> Caller:
        """Who signed a call or a connection in. Raises DeriveRefused."""
        if not wallet:
            raise DeriveRefused(14021, "X-DeriveWallet header not provided")
        callers = self.of_wallet(wallet)
        if not callers:
            raise DeriveRefused(14000, "Account not found")
        if not timestamp.isdigit() or abs(now_ms - int(timestamp)) > _LOGIN_MS:
            raise DeriveRefused(14014, "Signature invalid for message or transaction", "Timestamp is out of bounds")
        message = f"\x19Ethereum Signed Message:\n{len(timestamp)}{timestamp}"
        signer = signer_of(keccak256(message.encode()), signature)
        for caller in callers:
            if signer == caller.signer:
                return caller
        raise DeriveRefused(14014, "Signature invalid for message or transaction", "Signature does not match data")

    def action(self, caller: Caller, market: Market, params: Mapping[str, object], now_ns: int) -> Action:
        """The action that an order is, once its signature is verified. Raises DeriveRefused."""
        terms = Action(
            nonce=_whole(params, "nonce"),
            signature=str(params.get("signature", "")),
            expiry_s=_whole(params, "signature_expiry_sec"),
            signer=str(params.get("signer", "")).lower(),
            limit_price=number_of(params, "limit_price"),
            max_fee=number_of(params, "max_fee"),
        )
        if terms.signer not in {one.signer for one in self.of_wallet(caller.wallet)} | {caller.wallet}:
            raise DeriveRefused(14023, "Signer in on-chain related request is not wallet owner or registered key")
        now_s = now_ns // NS_PER_S
        least, most = _EXPIRY_S
        if not now_s + least <= terms.expiry_s <= now_s + most:
            raise DeriveRefused(11011, "Invalid signature expiry", f"Order must expire in {least} sec or more")
        back_ns, forth_ns = _NONCE_NS
        if not now_ns - back_ns <= terms.nonce <= now_ns + forth_ns:
            raise DeriveRefused(11018, "Invalid nonce date")
        digest = _digest(caller, market, params, terms)
        if signer_of(digest, terms.signature) != terms.signer:
            raise DeriveRefused(14014, "Signature invalid for message or transaction", "Signature does not match data")
        if (caller.wallet, terms.nonce) in self._nonces:
            raise DeriveRefused(11017, "Non unique nonce")
        return terms

    def use(self, caller: Caller, action: Action) -> None:
        """Its order was taken: no other one may have that nonce, for ever."""
        self._nonces.add((caller.wallet, action.nonce))


def number_of(params: Mapping[str, object], name: str) -> Decimal:
    """A number of a call, which may be text. Raises DeriveRefused."""
    try:
        value = Decimal(str(params.get(name)))
    except ArithmeticError:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0 or value * _SCALE % 1:
        raise invalid(f"{name} must be a decimal of at most 18 digits")
    return value


def _whole(params: Mapping[str, object], name: str) -> int:
    text = str(params.get(name))
    if not text.isascii() or not text.isdigit():
        raise invalid(f"{name} must be an integer")
    return int(text)


def _digest(caller: Caller, market: Market, params: Mapping[str, object], terms: Action) -> bytes:
    """What the signer of an order signs."""
    asset, sub_id = asset_of(market.listing)
    amount = number_of(params, "amount")
    subaccount = _word(caller.subaccount)
    numbers = (int(value * _SCALE) for value in (terms.limit_price, amount, terms.max_fee))
    data = _word(asset) + _word(sub_id) + b"".join(map(_word, numbers)) + subaccount
    module_data = keccak256(data + _word(int(params.get("direction") == "buy")))
    action_type = b"Action(uint256 subaccountId,uint256 nonce,address module,bytes data,uint256 expiry,"
    action = keccak256(
        keccak256(action_type + b"address owner,address signer)")
        + subaccount
        + _word(terms.nonce)
        + _word(_TRADE_MODULE)
        + module_data
        + _word(terms.expiry_s)
        + _word(caller.wallet)
        + _word(terms.signer)
    )
    return keccak256(b"\x19\x01" + _domain() + action)


def _domain() -> bytes:
    """The contract that actions are meant for."""
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    name, version = keccak256(b"Matching"), keccak256(b"1.0")
    return keccak256(keccak256(kind) + name + version + _word(_CHAIN_ID) + _word(_MATCHING))


def _word(value: int | str) -> bytes:
    """A number, or an address in hex, as 32 bytes."""
    return (value if isinstance(value, int) else int(value, 16)).to_bytes(32, "big")
