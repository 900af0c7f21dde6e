"""Which accounts may be traded, where their orders go, and with which key: the settings' words, held to their mode.

* `simulated`: venues on this machine alone, each account with the simulated venue's own key. A key of yours is not used
  at all, so that not even a proxy on this machine could trade with it. Without any accounts there is `main`, on every
  venue that is simulated here.
* `paper`: also the venues' own testnets. Where `venues.<venue>.rest_url` names none on this machine, the testnet is
  taken by itself; a venue without one cannot be traded on paper.
* `live`: also the venue itself, for accounts that are marked live. Their orders need an arming, and their key must not
  be able to withdraw. Accounts that are not marked live stay on paper.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from xetrade_core.assembly import client_options
from xetrade_core.errors import ConfigError, NotSupported, XETradeError
from xetrade_core.execution.clients import require_key, signs_with_wallet, tradable_venues
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.settings import Settings
from xetrade_core.settings_trading import AccountSettings, TradingMode
from xetrade_core.venues.clients import ClientOptions
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import Venue

DEFAULT_ACCOUNT = "main"
AccountName = tuple[str, str]
"""Venue id and account."""


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """One account on one venue: how it is reached. `live`: with real money, so that its orders need an arming.

    `where` says for people where orders go. `trust_key`: that the key cannot withdraw is taken on somebody's word where
    the venue does not tell.
    """

    venue: Venue
    account: str
    credentials: Credentials
    options: ClientOptions
    ws_url: str | None
    live: bool
    trust_key: bool
    where: str

    @property
    def name(self) -> AccountName:
        """What nothing else is called."""
        return (self.venue.id, self.account)

    def require_safe(self, permissions: KeyPermissions) -> None:
        """Raises WithdrawalAllowed or TradingNotAllowed; and, live, ConfigError where the venue does not tell whether
        the key can withdraw and nobody's word is taken on it."""
        permissions.require_safe(*self.name)
        if self.live and permissions.withdraw is None and not self.trust_key:
            raise ConfigError(
                f"{self.venue.name} does not tell whether the key of {self.account} can withdraw: look there, then set "
                f"XETRADE_ACCOUNTS__{self.account.upper()}__TRUST_KEY=true"
            )


@dataclass(frozen=True, slots=True)
class Plans:
    """The accounts that can be traded, and why others of the settings cannot."""

    ready: tuple[AccountPlan, ...]
    problems: Mapping[AccountName, XETradeError]

    def reading(self) -> dict[str, AccountPlan]:
        """By which account's way each venue's lists, marks and books are read: a live one's, where there is one."""
        return {plan.venue.id: plan for plan in sorted(self.ready, key=lambda plan: plan.live)}

    def require_any(self) -> tuple[AccountPlan, ...]:
        """Those that can; raises the first problem if there is none."""
        if not self.ready:
            raise next(iter(self.problems.values()))
        return self.ready


def plan_accounts(settings: Settings, *, venue: str | None = None, account: str | None = None) -> Plans:
    """Every account of the settings, or those on one venue or of one name. Raises ConfigError if none is meant,
    UnknownVenue, VenueRetired, NotSupported."""
    if venue is not None:
        _require_tradable(known_venue(venue).require_live())
    named = [
        (venue_id, name, own)
        for name, own in accounts_of(settings).items()
        for venue_id in _venues_of(name, own, settings)
    ]
    meant = [one for one in named if venue in (None, one[0]) and account in (None, one[1])]
    if not meant:
        raise ConfigError(_no_account(settings, venue, account, [f"{one[0]}/{one[1]}" for one in named]))
    ready: list[AccountPlan] = []
    problems: dict[AccountName, XETradeError] = {}
    for venue_id, name, own in meant:
        try:
            ready.append(_plan(settings, known_venue(venue_id).require_live(), name, own))
        except XETradeError as error:
            problems[(venue_id, name)] = error
    return Plans(tuple(ready), problems)


def known_accounts(settings: Settings) -> tuple[AccountPlan, ...]:
    """The accounts of the settings that can be asked; none where none is meant."""
    try:
        return plan_accounts(settings).ready
    except ConfigError:
        return ()


def contract_accounts(settings: Settings) -> tuple[AccountPlan, ...]:
    """Those of them that are on venues which have perpetuals."""
    return tuple(plan for plan in known_accounts(settings) if plan.venue.funding is not None)


def accounts_of(settings: Settings) -> Mapping[str, AccountSettings]:
    """The accounts of the settings; in simulated mode `main` where there are none."""
    if settings.accounts or settings.trading.mode is not TradingMode.SIMULATED:
        return settings.accounts
    return {DEFAULT_ACCOUNT: AccountSettings()}


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _venues_of(name: str, own: AccountSettings, settings: Settings) -> Iterator[str]:
    """The venues of an account; in simulated mode all that are simulated here, where it names none."""
    if own.venue:
        yield from own.venue
    elif settings.trading.mode is TradingMode.SIMULATED:
        for venue_id in tradable_venues():
            if is_loopback(settings.venue(venue_id).rest_url or ""):
                yield venue_id
    else:
        raise ConfigError.of(f"accounts.{name}.venue", "", "the id of the venue that the account is on")


def _no_account(settings: Settings, venue: str | None, account: str | None, known: list[str]) -> str:
    asked = f"account {account or 'of any name'}" + (f" on {venue}" if venue else "")
    simulated = settings.trading.mode is TradingMode.SIMULATED
    here = is_loopback(settings.venue(venue).rest_url or "") if venue else bool(known)
    if simulated and not here:
        where = f"XETRADE_VENUES__{(venue or 'VENUE').upper()}__REST_URL"
        return f"no {asked}: trading.mode is simulated, and {where} names no venue on this machine (see `xetrade sim`)"
    if known:
        return f"no {asked} in the settings: there is {', '.join(known)}"
    return f"no {asked}: name one in the settings as accounts.{account or DEFAULT_ACCOUNT}.venue"


def _plan(settings: Settings, venue: Venue, name: str, own: AccountSettings) -> AccountPlan:
    _require_tradable(venue)
    mode, urls = settings.trading.mode, settings.venue(venue.id)
    options = client_options(settings, venue.id)
    live = mode is TradingMode.LIVE and own.live
    simulated = is_loopback(urls.rest_url or "")
    if simulated != is_loopback(urls.ws_url or urls.rest_url or ""):
        raise ConfigError(
            f"venues.{venue.id}: rest_url and ws_url must lead to the same place for trading, both to this machine or "
            "neither"
        )
    ws_url = urls.ws_url
    if simulated:
        where = "a simulated venue on this machine"
        ws_url = ws_url or _same_host(urls.rest_url or "")
    elif live:
        where = "the live venue"
    else:
        options, where = _on_testnet(venue, name, urls.rest_url, mode, options), "the venue's testnet"
        ws_url = None  # the testnet's own
    credentials = _simulated_key(venue, name) if mode is TradingMode.SIMULATED else _key(name, own)
    require_key(venue.id, name, credentials)
    return AccountPlan(
        venue=venue,
        account=name,
        credentials=credentials,
        options=options,
        ws_url=ws_url,
        live=live,
        trust_key=own.trust_key,
        where=where,
    )


def _require_tradable(venue: Venue) -> None:
    if venue.id not in tradable_venues():
        raise NotSupported(f"orders cannot be placed on {venue.name}: only on {', '.join(tradable_venues())}")


def _same_host(rest_url: str) -> str:
    """Where the stream of a simulated venue is if nobody says so: never at the live venue."""
    scheme, _, rest = rest_url.partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}"


def _on_testnet(
    venue: Venue, name: str, rest_url: str | None, mode: TradingMode, options: ClientOptions
) -> ClientOptions:
    """The options of the venue's testnet. Raises ConfigError where the mode, or the venue, has none."""
    host = urlsplit(rest_url or venue.live.rest).hostname
    if mode is TradingMode.SIMULATED:
        raise ConfigError(
            f"orders of {venue.id}/{name} would go to {host}, and trading.mode is simulated: set "
            f"XETRADE_VENUES__{venue.id.upper()}__REST_URL to a simulated venue's, or another mode"
        )
    if venue.testnet is None:
        raise ConfigError(f"{venue.id}/{name} cannot be traded in mode {mode}: {venue.name} has no testnet")
    if rest_url is not None and host != urlsplit(venue.testnet.rest).hostname:
        marked = "mark the account live" if mode is TradingMode.LIVE else "set another mode"
        raise ConfigError(
            f"orders of {venue.id}/{name} would go to {host}, neither this machine nor {venue.name}'s testnet: "
            f"leave out venues.{venue.id}.rest_url, or {marked}"
        )
    return replace(options, rest_url=None, testnet=True)


def _simulated_key(venue: Venue, name: str) -> Credentials:
    """The key that a simulated venue issues for an account of that name; of a wallet it is made of the hashes."""
    key, secret = f"sim-{name}-key", f"sim-{name}-secret"
    if not signs_with_wallet(venue.id):
        return Credentials(key, secret, f"sim-{name}-pass")
    wallet, private_key = (hashlib.sha256(text.encode()).hexdigest() for text in (key, secret))
    return Credentials(f"0x{wallet[:40]}", private_key, subaccount=int(wallet[40:46], 16))


def _key(name: str, own: AccountSettings) -> Credentials:
    """The key of the environment. Raises ConfigError."""
    if own.api_key is not None and own.secret is not None:
        passphrase = None if own.passphrase is None else own.passphrase.get_secret_value()
        return Credentials(own.api_key.get_secret_value(), own.secret.get_secret_value(), passphrase, own.subaccount)
    prefix = f"XETRADE_ACCOUNTS__{name.upper()}"
    missing = [field for field in ("API_KEY", "SECRET") if getattr(own, field.lower()) is None]
    raise ConfigError(f"account {name} has no key: set {' and '.join(f'{prefix}__{field}' for field in missing)}")
