"""Configuration of the simulated venues: one TOML file (or these values) says what is simulated and what goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xetrade_core.errors import ConfigError, XETradeError
from xetrade_core.simvenue.desk.accounts import AccountConfig
from xetrade_core.simvenue.faults import Fault
from xetrade_core.simvenue.funding import FundingConfig, FundingCurve, is_funded
from xetrade_core.simvenue.instruments import DEFAULT_VENUES, VENUES, default_symbols, listing

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
#: most symbols that are made up a venue, some times what a large venue lists: more would only exhaust the machine
MOST_SYMBOLS = 1000


class RecordingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Serve a recording instead of generated activity. Lines are `<receive ns> <frame>`, gzip or plain."""

    path: str
    speed: Positive = 1.0  # 2 = twice the recorded pace
    loop: bool = False  # at the end drop all connections and start over


class VenueConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One simulated venue.

    `symbols`: universal symbols, a number of them, or None for a few majors. `mode`: `orders` drives the matching
    engine, `levels` mutates levels directly (cheap, for load). `truth_changes`: level changes a symbol keeps for the
    truth endpoint.
    """

    symbols: tuple[str, ...] | Annotated[int, Meta(ge=1, le=MOST_SYMBOLS)] | None = None
    mode: Literal["orders", "levels"] = "orders"
    depth: Count = 1000  # levels a side
    events_per_s: Positive = 40.0  # per symbol; one event is an order or about one level change
    flush_ms: Count = 100  # interval of the depth streams, whatever rate their name asks for
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    truth_changes: Annotated[int, Meta(ge=64)] = 100_000
    clock_offset_s: float = 0.0
    ping_s: Positive = 20.0  # websocket pings of Binance servers
    idle_s: Positive = 30.0  # OKX: closes a connection without traffic for so long
    heartbeat_s: Positive = 60.0  # OKX: empty update of a quiet book
    connection_limit_s: Positive = 86_400.0  # planned disconnect, 24 h on Binance
    weight_limit: Annotated[int, Meta(ge=0)] | None = None  # REST weight a minute; 0 = unlimited, None = as the venue
    checksum: bool = False  # OKX: a real CRC32 instead of 0
    recording: RecordingConfig | None = None
    funding: FundingConfig = FundingConfig()
    listen_key_s: Positive = 3_600.0  # Binance futures: how long a listen key lives without being renewed
    history_s: Positive | None = None  # how long ended orders and trades can be asked for; None = as the venue
    accounts: dict[str, AccountConfig] | None = None  # None: one, `main`, where the venue takes orders

    def symbol_names(self, venue: str) -> tuple[str, ...]:
        if isinstance(self.symbols, tuple):
            return self.symbols
        return default_symbols(venue, self.symbols)


class SimConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole simulation. `auto` False stops time: it then moves only by `SimServer.step` or `POST /admin/step`."""

    venues: dict[str, VenueConfig] = msgspec.field(
        default_factory=lambda: {venue: VenueConfig() for venue in DEFAULT_VENUES}
    )
    seed: int = 1
    host: str = "127.0.0.1"
    admin_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    tick_ms: Count = 10
    auto: bool = True
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if not self.venues:
            raise ConfigError.of("venues", {}, f"name at least one of {', '.join(VENUES)}")
        for venue, config in self.venues.items():
            if venue not in VENUES:
                raise ConfigError.of("venues", venue, f"one of {', '.join(VENUES)}")
            if config.flush_ms % self.tick_ms:
                raise ConfigError.of(
                    f"venues.{venue}.flush_ms", config.flush_ms, f"a multiple of tick_ms ({self.tick_ms})"
                )
            for symbol in config.symbol_names(venue):
                try:
                    listing(venue, symbol)
                except XETradeError as error:
                    raise ConfigError(f"venues.{venue}.symbols: {error}") from None
            _check_funding(venue, config)
            _check_accounts(venue, config)
        for fault in self.faults:
            fault.check(self.venues)


def _check_accounts(venue: str, config: VenueConfig) -> None:
    """Raises ConfigError for accounts where no orders are taken, and for a key that two accounts have."""
    if config.accounts is None:
        return
    field = f"venues.{venue}.accounts"
    if config.mode != "orders" or config.recording is not None:
        raise ConfigError(f"{field}: orders are taken only in mode `orders` and without a recording")
    keys = [key.key for name, account in config.accounts.items() for key in account.issued(name)]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ConfigError.of(field, twice[0], "a key that is issued once")


def _check_funding(venue: str, config: VenueConfig) -> None:
    """Raises ConfigError for intervals or symbols that the venue cannot have."""
    listings = [listing(venue, symbol) for symbol in config.symbol_names(venue)]
    funded = {one.instrument.symbol: one for one in listings if is_funded(one)}
    for symbol in [*config.funding.intervals, *(change.symbol for change in config.funding.changes)]:
        if symbol not in funded:
            allowed = f"one of {', '.join(funded)}" if funded else f"{venue} lists no perpetuals here"
            raise ConfigError.of(f"venues.{venue}.funding", symbol, allowed)
    for one in funded.values():
        try:
            FundingCurve(venue, one, config.funding, 0)
        except ConfigError as error:
            raise ConfigError(f"venues.{venue}.funding.{error}") from None


def load_config(path: Path) -> SimConfig:
    """Read a scenario file. Raises ConfigError with the field at fault."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=SimConfig)
    except OSError as error:
        raise ConfigError(f"cannot read the scenario file {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"scenario file {path}: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"scenario file {path}: {error}") from None
