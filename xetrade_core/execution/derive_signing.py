"""How an order of Derive is signed: as an action of a session key (EIP-712), by ccxt's own hash, encoding and curve.

The nonce is made of the intent, so that the same order signed again is the same action: the venue refuses its second.
Sources: docs.derive.xyz, "Action Signing" and "Protocol Constants" (2026-11).
"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Any

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.raw import plain
from xetrade_core.model.orders import Intent

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_PRIVATE_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
#: the order of the curve secp256k1: a private key is a number below it (SEC 2, 2.4.1)
_CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
_ACTION_TYPE = "4d7a9f27c403ff9c0f19bce61d76d82f9aa29f8d6d4b0c5474607d9770d1af17"
_TRADE_MODULE = "0xB8D20c2B7a1Ad2EE33Bc50eF10876eD3035b5e7b"
_DIGITS = 18  # after the point, in what is signed
_EXPIRY_S = 60 * 86_400  # the venue ends an order with its signature, and takes none that is good for over 120 days
_NONCE_SPREAD_NS = 86_400 * NS_PER_S  # the venue takes nonces of the last 90 days


def require_wallet(account: str, credentials: Credentials) -> None:
    """Raises ConfigError if the key is not a wallet's address, a private key and a subaccount."""
    prefix = f"XETRADE_ACCOUNTS__{account.upper()}"
    if not _ADDRESS.fullmatch(credentials.api_key):
        raise ConfigError(f"{prefix}__API_KEY: for derive it is the address of the wallet, 0x and 40 hex digits")
    if not (_PRIVATE_KEY.fullmatch(credentials.secret) and 0 < int(credentials.secret, 16) < _CURVE_ORDER):
        raise ConfigError(f"{prefix}__SECRET: for derive it is the private key of a session key, 64 hex digits")
    if credentials.subaccount is None:
        raise ConfigError(f"account {account} on derive has no subaccount: set {prefix}__SUBACCOUNT to its number")


def address_of(ccxt: Any, private_key: str) -> str:
    """The address of a private key, its letters cased as EIP-55 says."""
    digits: str = ccxt.eth_get_address_from_private_key(private_key)[2:]
    hashed = ccxt.hash(ccxt.encode(digits), "keccak", "hex")
    return "0x" + "".join(
        digit.upper() if int(mark, 16) > 7 else digit for digit, mark in zip(digits, hashed, strict=False)
    )


def nonce_of(intent: Intent) -> int:
    """A time in nanoseconds of the day before the intent, which no other intent shares and this one always has."""
    digest = hashlib.sha256(intent.client_id.encode()).digest()
    return intent.created_ns - int.from_bytes(digest[:8], "big") % _NONCE_SPREAD_NS


def signed_order(
    ccxt: Any, intent: Intent, limit_price: Decimal, max_fee: Decimal, subaccount: int, now_s: int
) -> dict[str, object]:
    """The parameters of an order that are signed, and their signature; `ccxt` has the wallet and the private key."""
    market = ccxt.market(intent.symbol)
    nonce, expiry_s, signer = nonce_of(intent), now_s + _EXPIRY_S, ccxt.walletAddress
    kinds = ["address", "uint", "int", "int", "uint", "uint", "bool"]
    module_data = ccxt.eth_abi_encode(
        kinds,
        [
            market["info"]["base_asset_address"],
            int(market["info"]["base_asset_sub_id"]),
            *(int(value.scaleb(_DIGITS)) for value in (limit_price, intent.amount, max_fee)),
            subaccount,
            intent.side.value == "buy",
        ],
    )
    action = [
        ccxt.base16_to_binary(_ACTION_TYPE),
        subaccount,
        nonce,
        _TRADE_MODULE,
        ccxt.hash(module_data, "keccak", "binary"),
        expiry_s,
        ccxt.options["deriveWalletAddress"],
        signer,
    ]
    return {
        "instrument_name": market["id"],
        "subaccount_id": subaccount,
        "direction": intent.side.value,
        "amount": plain(intent.amount),
        "limit_price": plain(limit_price),
        "max_fee": plain(max_fee),
        "nonce": str(nonce),
        "signer": signer,
        "signature_expiry_sec": expiry_s,
        "signature": ccxt.sign_order(action, ccxt.privateKey),
    }
