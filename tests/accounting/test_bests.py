"""A drawdown is from the best of earlier sessions too: the looks that are scheduled are sessions of one look."""

from __future__ import annotations

from decimal import Decimal as D
from pathlib import Path

import pytest

from tests.monitor.conftest import Trade
from xetrade_core.accounting.bests import keep_best, read_best
from xetrade_core.assembly.watching import watch_positions
from xetrade_core.clock import SystemClock
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.orders import Side
from xetrade_core.monitor.ledger import Selection
from xetrade_core.monitor.limits import PositionLimits
from xetrade_core.monitor.watch import Pace
from xetrade_core.settings import Settings
from xetrade_core.trading.store import OrderStore


def test_one_look_after_the_other_finds_a_drawdown(
    store: OrderStore, lake: ObjectStore, trade: Trade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(trading={"store": str(tmp_path / "orders.db")})  # type: ignore[arg-type]

    def look(selection: Selection | None = None) -> list[str]:
        limits = PositionLimits.of(max_drawdown=20)
        made = watch_positions(settings, lake, Pace(max_updates=1), SystemClock(), selection=selection, limits=limits)
        return [one.kind for one in made.alarming]

    trade(("1", "100"))
    trade(("1", "150"), at_ns=2_000, side=Side.SELL)
    assert look() == []
    trade(("1", "100"), at_ns=3_000)
    trade(("1", "70"), at_ns=4_000, side=Side.SELL)
    assert look() == ["position_drawdown"]
    assert look(Selection(strategy="maker")) == []  # another session: this is the best that it has seen
    assert read_best(lake, Selection()) == {"USDT": D(50)}


def test_only_what_is_higher_is_kept_and_each_selection_has_its_own(lake: ObjectStore) -> None:
    one, other = Selection(venue="okx"), Selection(account="okx")
    assert read_best(lake, one) == {}
    keep_best(lake, one, {"USDT": D("1.5"), "BTC": D("-0.1")})
    keep_best(lake, one, {"USDT": D("1.25"), "BTC": D("0.1")})
    assert read_best(lake, one) == {"USDT": D("1.5"), "BTC": D("0.1")}
    assert read_best(lake, other) == {}
