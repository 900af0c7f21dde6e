"""Which venue offers what, and what is known of each: the registry as tables, for the command line and the docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xetrade_core.venues.registry import venues
from xetrade_core.venues.venue import Capability, Support, Venue, VenueStatus

#: what each capability is called at the head of a column; market data first, then trading
DATA: Mapping[Capability, str] = {
    Capability.BOOK_STREAM: "book",
    Capability.BOOK_REST: "book REST",
    Capability.QUOTES_ALL: "all quotes",
    Capability.FUNDING: "funding",
    Capability.FUNDING_ALL: "all fundings",
    Capability.FUNDING_PREDICTED: "predicted",
    Capability.FUNDING_INTERVAL: "interval",
    Capability.FUNDING_HISTORY: "history",
    Capability.TESTNET: "testnet",
}
TRADING: Mapping[Capability, str] = {
    Capability.PLACE: "place",
    Capability.PLACE_STREAM: "by ws",
    Capability.CANCEL: "cancel",
    Capability.CANCEL_ALL: "cancel all",
    Capability.AMEND: "amend",
    Capability.POST_ONLY: "post-only",
    Capability.REDUCE_ONLY: "reduce-only",
    Capability.ORDER_STREAM: "orders",
    Capability.TRADE_STREAM: "fills",
    Capability.POSITION_STREAM: "positions",
    Capability.DEAD_MAN_SWITCH: "dead man",
    Capability.KEY_PERMISSIONS: "key check",
}

NONE = "none"
MARKS = {Support.NATIVE.value: "●", Support.EMULATED.value: "○", NONE: "·"}
LEGEND = "● native, ○ emulated (put together from other calls), · none"


def standing(venue: Venue) -> str:
    """`live`, or `retired 2026-07-31`."""
    return "live" if venue.status is VenueStatus.LIVE else f"retired {venue.retired_on}"


def support(venue: Venue, capability: Capability) -> str:
    """`native`, `emulated` or `none`."""
    found = venue.capabilities.get(capability)
    return NONE if found is None else found.value


def matrix(columns: Mapping[Capability, str]) -> list[list[str]]:
    """A row a venue: its id, its standing, and a mark (see `MARKS`) of each column's capability."""
    return [
        [venue.id, standing(venue), *(MARKS[support(venue, capability)] for capability in columns)]
        for venue in venues()
    ]


def as_data(venue: Venue) -> dict[str, object]:
    """Everything that the registry says of a venue, in plain values."""
    rules, rest, funding = venue.websocket, venue.rest, venue.funding
    return {
        "id": venue.id,
        "name": venue.name,
        "status": venue.status.value,
        "retired_on": None if venue.retired_on is None else str(venue.retired_on),
        "market_types": [kind.value for kind in venue.market_types],
        "capabilities": {capability.value: support(venue, capability) for capability in Capability},
        "live": {"rest": venue.live.rest, "ws": venue.live.ws},
        "testnet": None if venue.testnet is None else {"rest": venue.testnet.rest, "ws": venue.testnet.ws},
        "book": {
            "channel": rules.channel,
            "levels": rules.depth,
            "interval_ms": rules.interval_ms,
            "protocol": venue.protocol.value,
            "subscriptions_a_connection": rules.max_subscriptions,
            "lifetime_s": rules.lifetime_s,
        },
        "rest": {
            "weight": rest.budget.limit,
            "window_s": rest.budget.window_s,
            "snapshot_path": rest.snapshot_path,
            "snapshot_weights": {str(row.limit): row.weight for row in rest.weights},
        },
        "client_ids": None
        if (ids := venue.client_ids) is None
        else {"pattern": ids.pattern, "unique": ids.unique.value, "query": ids.query, "cancel": ids.cancel},
        "funding": None
        if funding is None
        else {
            "live_means": funding.live_means,
            "predicted_means": funding.predicted_means,
            "paging": funding.paging.value,
            "page_limit": funding.page_limit,
            "default_interval_s": funding.default_interval_s,
        },
        "errors": dict(sorted((code, kind.value) for code, kind in venue.errors.items())),
        "facts": [
            {"topic": fact.topic, "text": fact.text, "checked": str(fact.checked), "source": fact.source}
            for fact in venue.facts
        ],
    }


def in_words(venue: Venue) -> Iterator[tuple[str, str]]:
    """What the registry says of a venue beside its facts: a topic and a line each."""
    rules, rest = venue.websocket, venue.rest
    yield "markets", ", ".join(kind.value for kind in venue.market_types)
    yield "REST", f"{venue.live.rest}, {rest.budget.limit:,} in {rest.budget.window_s:g} s"
    yield "websocket", f"{venue.live.ws}, {rules.max_subscriptions:,} books a connection"
    levels = "all levels" if rules.depth is None else f"{rules.depth} levels"
    yield "book", f"{rules.channel}, {levels}, every {rules.interval_ms} ms"
    if rest.snapshot_path is not None:
        yield "snapshot", rest.snapshot_path
    if venue.testnet is not None:
        yield "testnet", venue.testnet.rest
    if venue.client_ids is not None:
        yield "client ids", f"{venue.client_ids.pattern}, unique: {venue.client_ids.unique.value.replace('_', ' ')}"
    if venue.errors:
        yield "errors", f"{len(venue.errors)} codes are known"
    if venue.funding is not None:
        yield "funding", venue.funding.live_means
        yield "predicted", venue.funding.predicted_means or "nothing"
    for way in Support:
        headings = {**DATA, **TRADING}.items()
        names = [heading for capability, heading in headings if venue.capabilities.get(capability) is way]
        if names:
            yield "offers" if way is Support.NATIVE else "emulated", ", ".join(names)
