"""Client order ids: one for each intent, always the same, and every venue takes them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.samples import venue
from xetrade_core.errors import ConfigError, NotSupported
from xetrade_core.trading.client_ids import client_order_id, require_valid
from xetrade_core.venues.registry import venues

named = st.tuples(st.text(min_size=1, max_size=40), st.text(max_size=20), st.integers(0, 10**6))


def test_the_id_of_an_intent_never_changes() -> None:
    """Stored orders are found by it, so it may not change from one release to the next."""
    assert client_order_id("6b1f", "place", 3) == "x7t1snurjfnr0j116n3ghciro59i13"


@given(named)
def test_it_is_what_every_venue_takes(key: tuple[str, str, int]) -> None:
    made = client_order_id(*key)
    assert re.fullmatch(r"[a-z][a-z0-9]{0,30}", made)
    for one in venues():
        if one.client_ids is not None:
            require_valid(made, one)


@given(st.lists(named, unique=True, min_size=2, max_size=30))
def test_different_intents_have_different_ids(keys: list[tuple[str, str, int]]) -> None:
    """Also where the parts run together to the same text."""
    assert len({client_order_id(*key) for key in keys}) == len(keys)


def test_a_hundred_thousand_orders_of_one_run_do_not_collide() -> None:
    assert len({client_order_id("run", "step", index) for index in range(100_000)}) == 100_000
    assert client_order_id("a", "bc") != client_order_id("ab", "c")
    assert client_order_id("a", "1", 2) != client_order_id("a", "12")


def test_an_intent_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="order key = ''"):
        client_order_id("")
    with pytest.raises(ConfigError, match="order index = -1"):
        client_order_id("run", "", -1)


def test_a_venue_that_takes_no_client_ids_is_not_traded() -> None:
    with pytest.raises(NotSupported, match="takes no client order ids"):
        require_valid("x1", replace(venue(), client_ids=None))
    with pytest.raises(ConfigError, match="client order id = 'ü'"):
        require_valid("ü", venue())
