"""`xetrade map`, `universal`, `validate` and `xetrade symbols`: what a venue calls an instrument, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.mapping import (
    DayOption,
    ExchangeOption,
    Source,
    TypeOption,
    known_venues,
    mapping_fields,
    plain_number,
    show_mapping,
)
from xetrade_core.cli.options import JsonOption, LakeOption, instant_ns, moment, names, open_settings
from xetrade_core.cli.output import count, emit_json, emit_table, emit_text, working
from xetrade_core.errors import ConfigError, UnknownSymbol

if TYPE_CHECKING:
    from xetrade_core.model.instruments import MarketType
    from xetrade_core.reference.refresh import Refreshed
    from xetrade_core.symbols.changes import Change
    from xetrade_core.symbols.mapping import Mapping

symbols_group = typer.Typer(help="Show what venues list, what is the same, and what changed.", no_args_is_help=True)

CHANGE_COLUMNS = ("exchange", "change", "exchange symbol", "universal", "before", "after")
FETCHED_COLUMNS = ("exchange", "instruments", "new", "without a symbol", "changes", "problem")
MEMBER_COLUMNS = ("exchange", "exchange symbol", "universal", "type", "one contract is", "of", "confidence")


def map_symbol(
    symbol: Annotated[str, typer.Option("--symbol", help="The venue's id, or a pair in any spelling.")],
    exchange: ExchangeOption,
    kind: TypeOption = None,
    day: DayOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a venue's symbol is as a universal symbol.

    With how sure that is and why: by what the venue listed, where the lake has its list, else by its naming rule. An id
    that is of several kinds of market is told as such.

    \b
    xetrade map --symbol BTCUSDT --exchange binance
    xetrade map --symbol BTCUSDT --exchange binance --type swap
    xetrade map --symbol XBTUSDTM --exchange kucoinfutures --json
    """
    source = _source(lake, exchange, day)
    _show(source.symbols.map(exchange, symbol, kind), source, as_json)


def universal_symbol(
    symbol: Annotated[str, typer.Option("--symbol", help="Universal symbol, or a pair in any spelling.")],
    exchange: ExchangeOption,
    kind: TypeOption = None,
    day: DayOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a venue calls a universal symbol.

    \b
    xetrade universal --symbol BTC/USDT --exchange okx
    xetrade universal --symbol BTC/USD:BTC-261225 --exchange deribit
    xetrade universal --symbol BTC-USDT --exchange kucoin --type swap --json
    """
    source = _source(lake, exchange, day)
    _show(_named(source, exchange, symbol, kind), source, as_json)


def validate(
    exchange_symbol: Annotated[str, typer.Option("--exchange-symbol", help="The venue's id.")],
    expected: Annotated[str, typer.Option("--expected-universal", help="The universal symbol that it should be.")],
    exchange: ExchangeOption,
    kind: TypeOption = None,
    day: DayOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a venue's id is a given universal symbol.

    Exit code 0 if it is, 1 if it is not. Where an id is of several kinds of market, it is each of them.

    \b
    xetrade validate --exchange-symbol BTCUSDT --expected-universal BTC/USDT --exchange binance
    xetrade validate --exchange-symbol BTC-USDT-SWAP --expected-universal BTC/USDT:USDT --exchange okx
    """
    source = _source(lake, exchange, day)
    found = source.symbols.map_as(exchange, exchange_symbol, expected)
    if found is not None and kind not in (None, found.market_type):
        found = None
    shown = found if found is not None else source.symbols.map(exchange, exchange_symbol, kind)
    if as_json:
        told = mapping_fields(shown, source)
        emit_json({"valid": found is not None, "expected_universal": expected, "found": told})
    else:
        verdict = "valid" if found is not None else f"not valid: it is {shown.symbol}"
        emit_text(f"{exchange} {exchange_symbol} as {expected}: {verdict}")
        show_mapping(shown, source)
    if found is None:
        raise typer.Exit(1)


@symbols_group.command()
def equivalents(
    symbol: Annotated[str, typer.Option("--symbol", help="Universal symbol, pair in any spelling, or a venue's id.")],
    exchange: Annotated[str, typer.Option("--exchange", "--venue", help="The venue whose symbol it is.")] = "binance",
    group: Annotated[str, typer.Option(help="How far alike: contract, dollars or underlying.")] = "dollars",
    kind: TypeOption = None,
    day: DayOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the instruments of all venues that are the same exposure.

    With what one contract of each is. `contract`: equal but for the multiplier. `dollars`: all dollars count as one.
    `underlying`: spot, linear and inverse together. Of the venues whose lists the lake has.

    \b
    xetrade symbols equivalents --symbol SHIB/USDT:USDT --exchange okx
    xetrade symbols equivalents --symbol BTCUSDT --exchange binanceusdm --group underlying --json
    """
    from xetrade_core.symbols.equivalence import Grouping
    from xetrade_core.symbols.equivalence import equivalents as find
    from xetrade_core.symbols.reasons import Reason

    if group not in tuple(Grouping):
        raise ConfigError.of("--group", group, f"one of {', '.join(Grouping)}")
    source = Source(lake, known_venues(), day)
    mapping = source.symbols.map(exchange, symbol, kind)
    if exchange in source.days and Reason.EXACT_LISTING not in mapping.reasons:
        raise UnknownSymbol(symbol, exchange, f"its list of {_text(source.days[exchange])} has no {mapping.symbol}")
    found = find(source.symbols, mapping, Grouping(group))
    rows = [
        (one.mapping.venue, one.mapping.venue_id, one.mapping.symbol, one.mapping.market_type.value,
         plain_number(one.amount), one.currency, one.mapping.confidence)
        for one in found.members
    ]  # fmt: skip
    if as_json:
        fields = ("exchange", "exchange_symbol", "universal", "market_type", "amount", "currency", "confidence")
        members = [dict(zip(fields, row, strict=True)) for row in rows]
        emit_json({"exposure": found.exposure.label, "group": group, "members": members, "lists": _days(source)})
        return
    emit_table(found.exposure.label, MEMBER_COLUMNS, [(*row[:-1], f"{row[-1]:.4g}") for row in rows])
    held = ", ".join(f"{venue} {day}" for venue, day in _days(source).items())
    emit_text(f"lists: {held or 'none in the lake: `xetrade symbols fetch` gets them'}")


@symbols_group.command()
def diff(
    start: Annotated[
        str | None, typer.Option("--from", help="The earlier day. Default: the one before the later.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The later day, 2026-11-21. Default: the newest.")] = None,
    exchange: Annotated[str, typer.Option("--exchange", "--venue", help="One venue, or several: binance,okx.")] = "",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what changed in the venues' lists between two days of the lake.

    Listings, delistings, renames, and changed ticks, lots, contract sizes, limits and status.

    \b
    xetrade symbols diff
    xetrade symbols diff --from 2026-11-20 --to 2026-11-21 --exchange binance,okx --json
    """
    from xetrade_core.assembly import lake_store
    from xetrade_core.reference.days import changes_between

    store = lake_store(open_settings(lake))
    days = [instant_ns(text, name) if text else None for text, name in ((start, "--from"), (end, "--to"))]
    compared = changes_between(store, _venues(exchange), *days)
    changes = [change for one in compared for change in one.changes]
    if as_json:
        lists = [{"exchange": one.venue, "from": _text(one.earlier_ns), "to": _text(one.later_ns)} for one in compared]
        emit_json({"compared": lists, "changes": [_change_fields(change) for change in changes]})
        return
    if changes:
        emit_table("", CHANGE_COLUMNS, [tuple(_change_fields(change).values()) for change in changes])
    for one in compared:
        emit_text(
            f"{one.venue}: {count(len(one.changes), 'change')} from {_text(one.earlier_ns)} to {_text(one.later_ns)}"
        )
    if not compared:
        emit_text("the lake has no two days of any venue's list: `xetrade symbols fetch` keeps today's")


@symbols_group.command()
def fetch(
    exchange: Annotated[str, typer.Option("--exchange", "--venue", help="Default: the venues of the settings.")] = "",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask venues what they list, and keep it in the lake as today's list.

    Also makes today's symbol map and its changes, as the daily assets do. Can be repeated at any time. Exit code 1 if a
    venue could not be asked.

    \b
    xetrade symbols fetch --exchange binance,binanceusdm,okx
    """
    from xetrade_core.assembly import lake_store, reference_venues, refresh_reference
    from xetrade_core.clock import SystemClock

    settings = open_settings(lake)
    asked = names(exchange) or reference_venues(settings)
    if not asked:
        raise ConfigError("no venue to ask: give --exchange, or name venues in the settings")
    with working(f"asking {', '.join(asked)}"):
        clock = SystemClock()
        made = refresh_reference(settings, lake_store(settings), asked, clock.wall_ns, clock)
    rows = [_fetched(made, name) for name in asked]
    if as_json:
        emit_json({"day": _text(made.day_ns), "venues": rows, "mapped": made.map.written.rows})
    else:
        emit_table("", FETCHED_COLUMNS, [tuple(row.values()) for row in rows])
        emit_text(f"symbol map of {_text(made.day_ns)}: {count(made.map.written.rows, 'instrument')}")
    if made.problems:
        raise typer.Exit(1)


def _fetched(made: Refreshed, venue: str) -> dict[str, Any]:
    """What came of one venue."""
    listing = made.listings.get(venue)
    return {
        "exchange": venue,
        "instruments": len(listing.instruments) if listing else None,
        "new": len(listing.new) if listing else None,
        "without_symbol": len(listing.unnamed) if listing else None,
        "changes": sum(change.venue == venue for change in made.changes.changes),
        "problem": made.problems.get(venue),
    }


def _source(lake: str | None, exchange: str, day: str | None) -> Source:
    """The lists of a venue and of its family."""
    from xetrade_core.symbols.mapping import members_of
    from xetrade_core.symbols.naming import naming

    naming(exchange)
    return Source(lake, members_of(exchange), day)


def _named(source: Source, exchange: str, symbol: str, kind: MarketType | None) -> Mapping:
    """The venue's instrument of a universal symbol; a pair without its kind is what the venue has of it."""
    if ":" in symbol or ("/" in symbol and kind is None):
        try:
            found = source.symbols.universal(exchange, symbol)
        except UnknownSymbol:
            return source.symbols.map(exchange, symbol, kind)
        if kind in (None, found.market_type):
            return found
        raise ConfigError.of("--type", kind, f"{symbol} is of the type {found.market_type}")
    return source.symbols.map(exchange, symbol, kind)


def _show(mapping: Mapping, source: Source, as_json: bool) -> None:
    if as_json:
        emit_json(mapping_fields(mapping, source))
    else:
        show_mapping(mapping, source)


def _venues(text: str) -> tuple[str, ...]:
    """The venues of a list, all known ones where it is empty. Raises UnknownVenue."""
    from xetrade_core.symbols.naming import naming

    return tuple(naming(name).venue for name in names(text)) or known_venues()


def _days(source: Source) -> dict[str, str]:
    return {venue: _text(day_ns) for venue, day_ns in source.days.items()}


def _text(day_ns: int) -> str:
    return f"{moment(day_ns):%F}"


def _change_fields(change: Change) -> dict[str, Any]:
    return {
        "exchange": change.venue,
        "change": change.kind.value,
        "exchange_symbol": change.venue_id,
        "universal": change.symbol,
        "before": change.before,
        "after": change.after,
    }


def add_to(app: typer.Typer) -> None:
    """Add this module's commands and group."""
    app.command("map")(map_symbol)
    app.command("universal")(universal_symbol)
    app.command()(validate)
    app.add_typer(symbols_group, name="symbols")
