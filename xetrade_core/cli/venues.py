"""`xetrade venues`: which venue offers what, and the dated facts behind it."""

from __future__ import annotations

from typing import Annotated

import typer

from xetrade_core.cli.options import JsonOption
from xetrade_core.cli.output import emit_json, emit_table, emit_text


def venues(
    venue: Annotated[str | None, typer.Option("--venue", help="All that is known of this venue, with sources.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each venue offers, and the dated facts.

    \b
    xetrade venues
    xetrade venues --venue bybit
    xetrade venues --json
    """
    from xetrade_core.venues.matrix import as_data
    from xetrade_core.venues.registry import venue as known_venue
    from xetrade_core.venues.registry import venues as all_venues

    if venue is not None:
        chosen = known_venue(venue)
        if as_json:
            emit_json(as_data(chosen))
        else:
            _show_one(venue)
    elif as_json:
        emit_json([as_data(each) for each in all_venues()])
    else:
        _show_matrix()


def _show_matrix() -> None:
    from xetrade_core.venues.matrix import DATA, LEGEND, TRADING, matrix

    emit_table("market data", ("venue", "status", *DATA.values()), matrix(DATA))
    trading = [[venue, *marks] for venue, _, *marks in matrix(TRADING)]
    emit_table("trading", ("venue", *TRADING.values()), trading)
    emit_text(LEGEND)
    emit_text("xetrade venues --venue ID shows the facts behind it, each with its date and source")


def _show_one(venue_id: str) -> None:
    from xetrade_core.venues.matrix import in_words, standing
    from xetrade_core.venues.registry import venue as known_venue

    venue = known_venue(venue_id)
    emit_table(f"{venue.name} ({venue.id}), {standing(venue)}", ("what", "how it is"), list(in_words(venue)))
    facts = [(fact.topic, fact.text, str(fact.checked), fact.source) for fact in venue.facts]
    emit_table("facts", ("topic", "fact", "checked", "source"), facts)


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(venues)
