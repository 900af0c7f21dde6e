"""Scenario files: read whole, or refused in one line that names the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from xetrade_core.errors import ConfigError
from xetrade_core.simvenue import Fault, SimConfig, VenueConfig, load_config
from xetrade_core.simvenue.instruments import VENUES, default_symbols, listing
from xetrade_core.simvenue.listing import WireNumbers


def read(tmp_path: Path, text: str) -> SimConfig:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    return load_config(path)


def test_a_scenario_file_says_venues_and_faults(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        seed = 9
        [venues.binance]
        symbols = ["BTC/USDT"]
        [venues.okx]
        symbols = 12
        mode = "levels"
        [[faults]]
        at = 2.5
        for = 3.0
        kind = "stall"
        venue = "okx"
        """,
    )
    assert config.seed == 9
    assert config.venues["binance"] == VenueConfig(symbols=("BTC/USDT",))
    assert len(config.venues["okx"].symbol_names("okx")) == 12
    assert config.faults == (Fault(kind="stall", venue="okx", at=2.5, for_=3.0),)


def test_an_empty_file_is_three_venues_with_a_few_symbols(tmp_path: Path) -> None:
    config = read(tmp_path, "")
    assert set(config.venues) == {"binance", "binanceusdm", "okx"}
    assert config == SimConfig()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = 'x'", r"Expected `int`.*seed"),
        ("sede = 1", "unknown field `sede`"),
        ("[venues]", "venues = {} is not valid: name at least one of"),
        ("[venues.kraken]", "venues = 'kraken' is not valid: one of binance, "),
        ("[venues.okx]\ndepth = 0", r"Expected `int` >= 1.*depth"),
        ("[venues.okx]\nflush_ms = 15", r"venues.okx.flush_ms = 15 is not valid: a multiple of tick_ms \(10\)"),
        ("[venues.binance]\nsymbols = ['BTC/USDT:USDT']", "venues.binance.symbols: unknown symbol 'BTC/USDT:USDT'"),
        ("[venues.binanceusdm]\nsymbols = ['BTC/USDT']", "only linear swaps"),
        ("[venues.okx]\nsymbols = ['BTC']", "write it as BASE/QUOTE"),
        ("[[faults]]\nkind = 'gremlin'", "fault.kind = 'gremlin'"),
        ("[[faults]]\nkind = 'lost'\nvenue = 'binancecoinm'", "one of the simulated binance, binanceusdm, okx"),
        ("venues = ", "scenario file .*scenario.toml"),
    ],
)
def test_a_bad_scenario_is_refused_in_one_line_with_the_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the scenario file .*nowhere\.toml: No such file"):
        load_config(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("venue", VENUES)
def test_numbers_on_the_wire_are_exact_both_ways(venue: str) -> None:
    for symbol in default_symbols(venue, 11):
        numbers = WireNumbers(listing(venue, symbol))
        instrument = listing(venue, symbol).instrument
        for count in (1, 7, 10, 99, 1000, 123_456, 6_183_763):
            assert numbers.ticks(numbers.price(count)) == count
            assert numbers.lots(numbers.size(count)) == count
            assert abs(float(numbers.price(count)) - float(count * instrument.price_tick)) < 1e-9
