"""What the symbol commands share: the map to ask, the option for the kind of market, and how a mapping is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.options import instant_ns, moment, open_settings
from xetrade_core.cli.output import emit_text, say
from xetrade_core.errors import ConfigError, LakeError
from xetrade_core.model.instruments import MarketType

if TYPE_CHECKING:
    from xetrade_core.lake.store import ObjectStore
    from xetrade_core.symbols.mapping import Mapping, SymbolMap

ExchangeOption = Annotated[
    str, typer.Option("--exchange", "--venue", help="Venue id, such as binance, okx, kucoinfutures.")
]
DayOption = Annotated[
    str | None, typer.Option("--day", help="A day of the lake's lists, 2026-11-20. Default: the newest of each venue.")
]


def market_type(text: str) -> MarketType:
    """A kind of market by its name; ConfigError names the option otherwise."""
    try:
        return MarketType(text.strip().lower())
    except ValueError:
        raise ConfigError.of("--type", text, f"one of {', '.join(MarketType)}") from None


TypeOption = Annotated[
    MarketType | None,
    typer.Option("--type", parser=market_type, metavar="TYPE", help="spot, swap, future or option."),
]


class Source:
    """The lists that the lake has, as a map, and the day of each; without a lake, an empty map that goes by rule."""

    def __init__(self, lake: str | None, venues: tuple[str, ...], day: str | None = None) -> None:
        from xetrade_core.reference.days import day_map, newest_map
        from xetrade_core.symbols.mapping import SymbolMap

        self.symbols: SymbolMap = SymbolMap(())
        self.days: dict[str, int] = {}
        try:
            store = self.store(lake)
            self.symbols, self.days = (
                newest_map(store, venues) if day is None else day_map(store, venues, instant_ns(day, "--day"))
            )
        except LakeError as error:
            say(f"the lake does not answer, so this is by rule alone: {error}")

    @staticmethod
    def store(lake: str | None) -> ObjectStore:
        """The lake's store."""
        from xetrade_core.assembly import lake_store

        return lake_store(open_settings(lake))

    def day_of(self, venue: str) -> str | None:
        """The day of a venue's list, None where the lake has none."""
        return f"{moment(self.days[venue]):%F}" if venue in self.days else None


def known_venues() -> tuple[str, ...]:
    """Every venue that has a naming rule."""
    from xetrade_core.symbols.naming import namings

    return tuple(rule.venue for rule in namings())


def mapping_fields(mapping: Mapping, source: Source) -> dict[str, Any]:
    """A mapping as JSON has it."""
    from xetrade_core.symbols.reasons import WEIGHTS

    parts = mapping.parts
    return {
        "exchange": mapping.venue,
        "exchange_symbol": mapping.venue_id,
        "universal": mapping.symbol,
        "market_type": mapping.market_type,
        "style": mapping.style,
        "base": parts.base,
        "quote": parts.quote,
        "settle": parts.settle,
        "expiry": parts.expiry,
        "strike": parts.strike,
        "option_side": parts.side,
        "underlying": mapping.underlying,
        "multiplier": plain_number(mapping.multiplier),
        "contract_size": plain_number(mapping.contract_size),
        "confidence": mapping.confidence,
        "reasons": [
            {"reason": reason, "support": WEIGHTS[reason].support, "doubt": WEIGHTS[reason].doubt,
             "meaning": WEIGHTS[reason].meaning}
            for reason in mapping.reasons
        ],
        "others": [{"exchange": venue, "universal": symbol} for venue, symbol in mapping.others],
        "listed_on": source.day_of(mapping.venue),
    }  # fmt: skip


def plain_number(value: Any) -> str | None:
    """A Decimal without exponent, as text that loses nothing."""
    from xetrade_core.model.decimals import plain

    return None if value is None else plain(value)


def show_mapping(mapping: Mapping, source: Source) -> None:
    """A mapping for people: what it is, how sure, why, and what else the id could be."""
    from xetrade_core.symbols.reasons import WEIGHTS

    kind = mapping.market_type.value
    style = "" if mapping.style.value == kind else f", {mapping.style}"
    emit_text(f"{mapping.venue} {mapping.venue_id} = {mapping.symbol} ({kind}{style}), confidence {mapping.confidence}")
    for reason in mapping.reasons:
        weight = WEIGHTS[reason]
        sign = f"+{weight.support:g}" if weight.support else f"-{weight.doubt:g}"
        emit_text(f"  {sign:>5}  {reason}: {weight.meaning}")
    if mapping.multiplier != 1:
        emit_text(f"  one {mapping.parts.base} is {mapping.multiplier:,f} {mapping.underlying}")
    if mapping.contract_size is not None and mapping.parts.settle is not None:
        currency = mapping.parts.quote if mapping.style.value == "inverse" else mapping.parts.base
        emit_text(f"  one contract is {plain_number(mapping.contract_size)} {currency}")
    for venue, symbol in mapping.others:
        emit_text(f"  can also mean {symbol} on {venue}: choose with --type, or by naming that venue")
    day = source.day_of(mapping.venue)
    emit_text(f"  list of {mapping.venue}: " + (f"{day}" if day else "not in the lake, so this is by rule alone"))
