"""What a file says of its instruments: tick sizes and contract sizes, as Parquet metadata.

A segment carries them for all its symbols, a compacted file for its own: as `instrument` on the file and as
`price_tick` and `lot` on the level columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pyarrow as pa

from xetrade_core.lake.dataset import annotate
from xetrade_core.model.instruments import Instrument

_SEGMENT_KEY = b"instruments"
_PART_KEY = b"instrument"


def instrument_metadata(instruments: Iterable[Instrument]) -> dict[str, str]:
    """Schema metadata for a segment: `table.replace_schema_metadata(instrument_metadata(...))`."""
    facts = {
        one.symbol: {
            "venue_id": one.venue_id,
            "market_type": one.market_type.value,
            "price_tick": str(one.price_tick),
            "lot": str(one.lot),
            "contract_size": str(one.contract_size),
        }
        for one in instruments
    }
    return {_SEGMENT_KEY.decode(): json.dumps(facts, sort_keys=True)}


def segment_facts(schema: pa.Schema, symbol: str) -> dict[str, str]:
    """What a segment says of `symbol`; empty where it says nothing."""
    facts = json.loads((schema.metadata or {}).get(_SEGMENT_KEY, b"{}"))
    return dict(facts.get(symbol, {}))


def part_facts(schema: pa.Schema) -> dict[str, str]:
    """What a compacted file says of its symbol; empty where it says nothing."""
    return dict(json.loads((schema.metadata or {}).get(_PART_KEY, b"{}")))


def with_facts(table: pa.Table, facts: Mapping[str, str]) -> pa.Table:
    """`table` as the file of an instrument that `facts` describe."""
    if not facts:
        return table
    price = {"price_tick": facts["price_tick"]} if "price_tick" in facts else {}
    size = {"lot": facts["lot"]} if "lot" in facts else {}
    schema = annotate(table.schema, {"bid_price": price, "ask_price": price, "bid_size": size, "ask_size": size})
    metadata = {**(schema.metadata or {}), _PART_KEY: json.dumps(dict(facts), sort_keys=True).encode()}
    return pa.table(table.columns, schema=schema.with_metadata(metadata))
