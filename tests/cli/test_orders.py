"""Trading from the command line against a simulated venue: orders, refusals, halts, limits, arming."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran
from tests.support.desk import SCENARIO, addresses, all_ids, open_ids
from tests.support.sim import Sim, sim_process
from tests.trading.samples import event, intent
from xetrade_core.assembly import markets
from xetrade_core.assembly.trading import TradingDesk
from xetrade_core.cli import output
from xetrade_core.cli.desk import show_orders
from xetrade_core.cli.options import symbol_fits
from xetrade_core.errors import NotTrading
from xetrade_core.model.order_events import EventKind
from xetrade_core.model.orders import Order
from xetrade_core.trading.projection import apply

Run = Callable[..., Ran]
LIMIT = ("--venue", "binance", "--pair", "BTC-USDT", "--side", "buy", "--quantity", "0.001", "--price", "50000")
CANARY = "canary-7b1d52e0"
LIVE = {
    "XETRADE_TRADING__MODE": "live",
    "XETRADE_ACCOUNTS__MAIN__VENUE": "binance",
    "XETRADE_ACCOUNTS__MAIN__LIVE": "true",
    "XETRADE_ACCOUNTS__MAIN__API_KEY": "sim-main-key",
    "XETRADE_ACCOUNTS__MAIN__SECRET": "sim-main-secret",
}


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def sim(shared_sim: Sim) -> Iterator[Sim]:
    yield shared_sim
    shared_sim.clear()


@pytest.fixture
def trade(answer: Run, sim: Sim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command line of a machine that knows the simulated venue and nothing else; settings as keywords."""
    for name, value in addresses(sim).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object, **variables: str) -> Ran:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return answer(*arguments)

    return run


@pytest.fixture(scope="module")
def inverse() -> Iterator[Sim]:
    with sim_process('[venues.bybit]\nsymbols = ["BTC/USDT", "BTC/USD:BTC"]\n[venues.bybit.accounts.main]') as running:
        yield running


def placed(trade: Run, *more: object, **variables: str) -> dict[str, Any]:
    ran = trade("place", *LIMIT, *more, "--json", **variables)
    assert ran.code == 0, ran.err
    order: dict[str, Any] = ran.json
    return order


def test_a_fresh_machine_places_asks_for_and_cancels_an_order(trade: Run, sim: Sim) -> None:
    order = placed(trade)
    assert (order["state"], order["venue"], order["account"], order["pair"]) == ("open", "binance", "main", "BTC/USDT")
    assert order["client_id"] in open_ids(sim)
    theirs = order["order_id"]
    named = ("--venue", "binance", "--pair", "BTC-USDT", "--order-id", theirs)
    assert trade("status", *named, "--json").json["state"] == "open"
    assert trade("cancel", *named, "--json").json["state"] == "canceled"
    assert trade("status", "--order-id", order["client_id"], "--refresh", "--json").json["state"] == "canceled"
    assert order["client_id"] not in open_ids(sim)


@pytest.mark.parametrize("pair", ["BTC-USDT", "BTC/USDT", "BTCUSDT", "btc_usdt"])
def test_pairs_are_written_as_for_market_data(trade: Run, pair: str) -> None:
    ran = trade(
        "place", "--venue", "binance", "--pair", pair, "--side", "SELL", "--order-type", "limit", "--quantity", "0.001",
        "--price", "90000", "--dry-run", "--json",
    )  # fmt: skip
    assert (ran.json["pair"], ran.json["side"], ran.json["value"]) == ("BTC/USDT", "sell", "90")


def test_a_dry_run_sends_and_stores_nothing(trade: Run, sim: Sim) -> None:
    before = all_ids(sim)
    shown = trade("place", *LIMIT, "--dry-run").out
    assert "a simulated venue on this machine" in shown
    for with_unit in ("0.001 BTC", "50000 USDT", "50 USD"):
        assert f" {with_unit} " in shown
    assert "nothing was sent" in shown
    assert all_ids(sim) == before
    assert trade("orders", "--all", "--json").json == []


def test_the_same_key_never_places_a_second_order(trade: Run, sim: Sim) -> None:
    first, second = placed(trade, "--key", "rebalance"), placed(trade, "--key", "rebalance")
    assert first["client_id"] == second["client_id"]
    assert all_ids(sim).count(first["client_id"]) == 1
    conflict = trade("place", *LIMIT[:-3], "0.002", *LIMIT[-2:], "--key", "rebalance")
    assert conflict.code == 2
    assert "give another order another key" in conflict.error
    again = trade("place", *LIMIT, "--key", "rebalance", "--json")
    assert again.err == "the key rebalance was used before: this is the order of then, and none was placed now\n"


def test_a_market_order_ends_with_its_fills(trade: Run) -> None:
    order = trade(
        "place", "--venue", "binance", "--pair", "BTC-USDT", "--side", "buy", "--order-type", "MARKET", "--quantity",
        "0.002", "--json",
    ).json  # fmt: skip
    assert (order["state"], order["filled"]) == ("filled", "0.002")
    assert float(order["average_price"]) > 0
    history = trade("orders", "show", order["client_id"], "--json").json["events"]
    assert [row["event"] for row in history][:2] == ["intended", "submitted"]
    assert any(row["event"] == "fill" for row in history)


def test_quantities_are_only_rounded_on_request(trade: Run) -> None:
    off = ("place", "--venue", "binance", "--pair", "BTC-USDT", "--side", "buy", "--quantity", "0.0010009", "--price",
           "50000.004")  # fmt: skip
    assert "quantity" not in trade(*off).out
    fitted = trade(*off, "--rounding", "fit", "--dry-run", "--json").json
    assert (fitted["quantity"], fitted["price"]) == ("0.001", "50000")


def test_an_order_is_amended_by_replacing_it_where_the_venue_cannot(trade: Run, sim: Sim) -> None:
    order = placed(trade)
    changed = trade("amend", "--order-id", order["order_id"], "--price", "49900", "--json").json
    assert (changed["state"], changed["price"]) == ("open", "49900")
    assert changed["client_id"] != order["client_id"]
    assert order["client_id"] not in open_ids(sim)
    history = trade("orders", "show", order["client_id"], "--json").json["events"]
    assert history[-1]["what"] == f"{changed['client_id']} takes its place"


def test_orders_are_listed_and_the_store_verifies_itself(trade: Run) -> None:
    order = placed(trade)
    trade("cancel", "--order-id", order["client_id"])
    resting = placed(trade)
    assert [row["client_id"] for row in trade("orders", "--json").json] == [resting["client_id"]]
    assert [row["client_id"] for row in trade("orders", "--since", "1h", "--pair", "BTCUSDT", "--json").json] == [
        order["client_id"],
        resting["client_id"],
    ]
    assert "no open orders" in trade("orders", "--venue", "okx").out
    rebuilt = trade("orders", "rebuild", "--json")
    assert (rebuilt.code, rebuilt.json["clean"], rebuilt.json["orders"]) == (0, True, 2)


def test_an_order_of_somebody_else_can_be_asked_for_and_cancelled(
    trade: Run, sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = placed(trade, XETRADE_TRADING__STORE=str(tmp_path / "another.db"))
    named = ("--venue", "binance", "--pair", "BTC-USDT", "--order-id", theirs["order_id"])
    assert trade("status", *named, "--json").json["state"] == "open"
    assert "not in the order store" in trade("cancel", *named).out
    assert theirs["client_id"] not in open_ids(sim)
    assert "unknown order" in trade("status", "--order-id", theirs["order_id"]).error


def test_an_order_is_not_taken_for_one_of_another_pair(trade: Run, sim: Sim) -> None:
    order = placed(trade)
    for command in ("cancel", "status"):
        ran = trade(command, "--venue", "binance", "--pair", "ETH-USDT", "--order-id", order["order_id"])
        assert ran.code == 2
        assert f"order {order['order_id']} is of BTC/USDT" in ran.error
    assert order["client_id"] in open_ids(sim)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("BTC-PERPETUAL", True), ("btc-perpetual", True), ("BTC-USD", True), ("ETH-PERPETUAL", False), ("BTC", False)],
)
def test_an_order_is_named_beside_its_pair_or_the_venues_own_id_of_it(text: str, fits: bool) -> None:
    assert symbol_fits(text, "BTC/USD:BTC", "deribit") is fits


# -- refusals: each one line, exit code 2, nothing sent ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"--price": "50000.001"}, "price 50000.001 is not valid: a multiple of 0.01 USDT, or ask for rounding to fit"),
        ({"--quantity": "0.0000001"}, "quantity 0.0000001 is not valid: a multiple of 0.00001 BTC"),
        ({"--quantity": "0.00001"}, "notional 0.5 is not valid: at least 5 USDT"),
        ({"--quantity": "-1"}, "--quantity = '-1' is not valid: a number above zero"),
        ({"--quantity": "much"}, "--quantity = 'much' is not valid: a number such as 0.001"),
        ({"--side": "long"}, "--side = 'long' is not valid: one of buy, sell"),
        ({"--venue": "binanc"}, "unknown venue 'binanc': known venues are binance,"),
        ({"--venue": "bitmart"}, "BitMart shut down on"),
        ({"--pair": "XYZ-USDT"}, "unknown symbol 'XYZ-USDT' on binance"),
        ({"--account": "other"}, "no account other on binance in the settings: there is binance/main"),
        ({"--quantity": "8000"}, "notional 400000000 is not valid: at most 9000000 USDT"),
        ({"--quantity": "100"}, "was rejected: Account has insufficient balance for requested action. (code -2010)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)  # fmt: skip
def test_a_refusal_is_one_line_and_nothing_is_sent(trade: Run, sim: Sim, change: dict[str, str], says: str) -> None:
    before = all_ids(sim)
    options = dict(zip(LIMIT[::2], LIMIT[1::2], strict=True)) | change
    ran = trade("place", *[word for option in options.items() for word in option])
    assert ran.code == 2
    assert says in ran.error
    assert all_ids(sim) == before


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--order-type", "LIMIT"), "price is missing: a limit order needs one"),
        (("--order-type", "MARKET", "--price", "50000"), "price 50000 is not valid: a market order has none"),
        (("--order-type", "MARKET", "--post-only"), "post_only True is not valid: a market order always takes"),
    ],
)
def test_what_no_venue_takes_is_refused_before_one_is_asked(
    trade: Run, options: tuple[str, ...], says: str, dry: tuple[str, ...]
) -> None:
    nobody = {"XETRADE_VENUES__BINANCE__REST_URL": "http://127.0.0.1:1"}
    ran = trade("place", *LIMIT[:-2], *options, *dry, **nobody)
    assert (ran.code, ran.error) == (2, f"error: {says}")


@pytest.mark.parametrize(
    "command",
    [
        ("orders",),
        ("orders", "list", "--all"),
        ("orders", "show", "{order}"),
        ("status", "--order-id", "{order}"),
        ("status", "--order-id", "{order}", "--venue", "binance", "--pair", "BTC-USDT"),
        ("cancel", "--order-id", "{order}"),
        ("amend", "--order-id", "{order}", "--price", "49000"),
        ("disarm",),
        ("position",),
        ("monitor", "--max-updates", "1"),
    ],
    ids=" ".join,
)
def test_an_account_that_nobody_knows_is_refused_with_the_one_that_was_meant(trade: Run, command: list[str]) -> None:
    """With nothing to show for it, it read as if nothing were open."""
    order = placed(trade)["client_id"]
    ran = trade(*(word.format(order=order) for word in command), "--account", "mian")
    assert (ran.code, ran.out) == (2, "")
    said = "account = 'mian' is not valid: one that has traded or is in the settings: main, did you mean main?"
    assert ran.error == f"error: {said}"


@pytest.mark.parametrize(
    "command",
    [
        ("orders", "follow", "--for", "1s"),
        ("orders", "resume"),
        ("cancel", "--all"),
        ("reconcile",),
        ("arm", "--venue", "binance", "--cap", "10"),
        ("stress", "--venues", "binance", "--pair", "BTC-USDT", "--clients", "1"),
    ],
    ids=" ".join,
)
def test_an_account_of_which_no_venue_can_be_asked_is_refused(trade: Run, command: list[str]) -> None:
    ran = trade(*command, "--account", "mian")
    assert (ran.code, ran.out) == (2, "")
    assert "no account mian" in ran.error
    assert "in the settings: there is binance/main" in ran.error


def test_an_account_that_the_settings_name_no_more_shows_its_orders(trade: Run) -> None:
    order = placed(trade)["client_id"]
    other = {"XETRADE_ACCOUNTS__OTHER__VENUE": "binance"}
    assert [row["client_id"] for row in trade("orders", "--account", "main", "--json", **other).json] == [order]
    assert trade("orders", "--account", "other", "--json", **other).json == []


def test_an_order_over_a_limit_is_denied_with_what_is_allowed(trade: Run) -> None:
    ran = trade("place", *LIMIT, XETRADE_LIMITS__PORTFOLIO__MAX_ORDER_NOTIONAL="40")
    assert ran.code == 2
    assert "max_order_notional of portfolio would be 50, allowed is 40" in ran.error


def test_an_order_beyond_the_price_band_is_denied_by_the_venues_own_mark(trade: Run) -> None:
    off = [*LIMIT[:-1], "70000"]
    ran = trade("place", *off, XETRADE_LIMITS='{"symbol binance BTC/USDT": {"price_band": 0.05}}')
    assert ran.code == 2
    assert re.search(r"price_band of symbol binance BTC/USDT would be 70000, allowed is at most \d+", ran.error)


def test_halted_trading_denies_what_is_new_and_lets_cancels_pass(trade: Run, sim: Sim) -> None:
    order = placed(trade)
    halted = trade("halt", "--reason", "drill", "--by", "tester", "--json")
    assert (halted.code, halted.json["clean"]) == (0, True)
    assert [row["errors"] for row in halted.json["accounts"]] == [None]
    assert open_ids(sim) == []
    assert trade("status", "--order-id", order["client_id"], "--json").json["state"] == "canceled"
    ran = trade("place", *LIMIT)
    assert ran.code == 2
    assert "trading of everything is halted by tester: drill; nothing new passes until it is resumed" in ran.error
    assert "trading of everything is active" in trade("resume-trading").out
    assert placed(trade)["state"] == "open"


def test_a_halt_where_nothing_is_open_has_no_errors(trade: Run, sim: Sim) -> None:
    assert trade("cancel", "--all", "--venue", "binance").code == 0
    halted = trade("halt", "--venue", "binance", "--pair", "BTC-USDT", "--json")
    assert (halted.code, [row["errors"] for row in halted.json["accounts"]]) == (0, [None])
    assert open_ids(sim) == []


def test_a_halt_of_a_pair_means_what_an_order_of_that_pair_means(
    trade: Run, inverse: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Bybit's naming rule BTC-USD is spot, which the venue does not have: the order goes to the contract."""
    for name, value in addresses(inverse).items():
        monkeypatch.setenv(name, value)
    wanted = ("--venue", "bybit", "--pair", "BTC-USD")
    assert "trading of bybit BTC/USD:BTC is halted" in trade("halt", *wanted, "--keep-orders").out
    refused = trade("place", *wanted, "--side", "buy", "--quantity", "10", "--price", "50000")
    assert (refused.code, "trading of BTC/USD:BTC is halted" in refused.error) == (2, True)
    assert "trading of bybit BTC/USD:BTC is active" in trade("resume-trading", *wanted).out
    assert trade("place", *wanted, "--side", "buy", "--quantity", "10", "--price", "50000").code == 0


def test_a_halt_of_a_pair_that_the_venue_does_not_list_is_refused(trade: Run) -> None:
    refused = trade("halt", "--venue", "binance", "--pair", "BTCC-USDT")
    assert (refused.code, "unknown symbol 'BTCC-USDT' on binance" in refused.error) == (2, True)
    assert trade("risk", "--json").json["states"] == []


def test_a_halt_while_the_venue_is_silent_goes_by_the_naming_rule_and_says_so(trade: Run, sim: Sim) -> None:
    sim.inject(kind="refuse", venue="binance")
    halted = trade("halt", "--venue", "binance", "--pair", "ETH-USDT", "--keep-orders")
    assert (halted.code, "trading of binance ETH/USDT is halted" in halted.out) == (0, True)
    assert "ETH-USDT is read by the naming rule of binance, which could not be asked what it lists" in halted.err
    assert trade("resume-trading", "--venue", "binance", "--pair", "ETH-USDT").err == ""  # no venue is asked any more


def test_cancelling_a_pair_everywhere_leaves_out_venues_that_do_not_list_it(
    trade: Run, sim: Sim, inverse: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in addresses(inverse).items():
        monkeypatch.setenv(name, value)
    cancelled = trade("cancel", "--all", "--pair", "ETH-USDT", "--json")
    assert (cancelled.code, cancelled.json["clean"], cancelled.json["problems"]) == (0, True, {})
    assert [row["venue"] for row in cancelled.json["accounts"]] == ["binance"]
    misspelled = trade("cancel", "--all", "--pair", "ETHH-USDT", "--json")
    assert (misspelled.code, sorted(misspelled.json["problems"])) == (1, ["binance/main", "bybit/main"])


def test_what_rests_in_a_market_that_has_stopped_is_cancelled_by_its_pair(
    trade: Run, sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = placed(trade)

    def stopped(*_: object) -> None:
        raise NotTrading("BTC/USDT", "binance", "halted")

    monkeypatch.setattr(markets, "tradable", stopped)
    assert trade("cancel", "--all", "--pair", "BTC-USDT").code == 0
    assert order["client_id"] not in open_ids(sim)


def test_resuming_one_scope_names_what_lifts_the_others(trade: Run) -> None:
    trade("halt", "--venue", "binance", "--pair", "BTC-USDT", "--keep-orders")
    trade("halt", "--venue", "okx", "--keep-orders")
    said = trade("resume-trading").out
    assert "`xetrade resume-trading --venue binance --pair BTC/USDT` lifts that of binance BTC/USDT" in said
    assert "`xetrade resume-trading --venue okx` lifts that of okx" in said
    assert "okx" not in trade("resume-trading", "--venue", "okx").out.replace("trading of okx is active", "")


def test_orders_are_listed_by_venue_account_pair_and_state(trade: Run) -> None:
    order = placed(trade)
    ended = trade("cancel", "--order-id", placed(trade)["client_id"], "--json").json

    def listed(*options: str) -> list[str]:
        return [row["client_id"] for row in trade("orders", "list", *options, "--json").json]

    assert listed() == listed("--venue", "binance", "--account", "main", "--pair", "BTC-USDT") == [order["client_id"]]
    assert listed("--state", "canceled") == [ended["client_id"]]
    assert listed("--state", "open,canceled", "--pair", "BTC-USDT") == [order["client_id"], ended["client_id"]]
    assert listed("--all", "--pair", "ETH-USDT") == []
    assert "some of intent, denied" in trade("orders", "list", "--state", "closed").error
    assert order["client_id"] in trade("orders", "list").out


def test_every_broken_setting_is_named_at_once(trade: Run) -> None:
    broken = trade("risk", XETRADE_LIMITS='{"portfolio": {"max_open_orders": -1, "order_rate": "x"}}').error
    assert "limits.portfolio.max_open_orders = -1 is not valid" in broken
    assert "limits.portfolio.order_rate = 'x' is not valid" in broken
    scopes = trade("risk", XETRADE_LIMITS='{"account main": {}, "venue binance": {"max_position": "1"}}').error
    assert "names no account" in scopes
    assert "max_position of venue binance = '1' is not valid: only symbols have a position" in scopes


def test_a_halt_of_one_pair_leaves_the_others(trade: Run) -> None:
    assert trade("halt", "--venue", "binance", "--pair", "BTC-USDT", "--keep-orders").code == 0
    assert "trading of BTC/USDT is halted" in trade("place", *LIMIT).error
    other = trade("place", "--venue", "binance", "--pair", "ETH-USDT", "--side", "buy", "--quantity", "0.1", "--price",
                  "2000", "--json")  # fmt: skip
    assert other.code == 0
    assert [row["scope"] for row in trade("risk", "--json").json["states"]] == ["binance BTC/USDT"]


def test_the_kill_switch_reaches_what_others_placed_and_fails_where_a_venue_is_silent(
    trade: Run, sim: Sim, tmp_path: Path
) -> None:
    theirs = placed(trade, XETRADE_TRADING__STORE=str(tmp_path / "another.db"))
    assert theirs["client_id"] in open_ids(sim)
    assert trade("halt", "--json").json["clean"] is True
    assert open_ids(sim) == []
    sim.begin(kind="rest_error", venue="binance", path="openOrders", status=500, for_=60)
    silent = trade("halt")
    assert silent.code == 1
    assert "NOT everything is known to be closed" in silent.out


def test_a_halt_where_no_account_has_its_key_is_a_halt_and_says_that_nothing_was_cancelled(trade: Run) -> None:
    keyless = {name: value for name, value in LIVE.items() if not name.endswith(("KEY", "SECRET"))}
    halted = trade("halt", "--json", **keyless)
    assert (halted.code, halted.json["clean"]) == (1, False)
    assert "account main has no key" in halted.json["problems"]["every account"]
    assert [row["state"] for row in trade("risk", "--json").json["states"]] == ["halted"]


@pytest.mark.parametrize("command", ["halt", "cancel --all --venue binance --pair BTC-USDT"])
def test_the_kill_switch_cancels_although_the_order_store_does_not_answer(
    trade: Run, sim: Sim, tmp_path: Path, command: str
) -> None:
    order = placed(trade)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 1000)
    ran = trade(*command.split(), "--json", XETRADE_TRADING__STORE=str(broken))
    assert (ran.code, ran.json["clean"], open_ids(sim)) == (1, False, [])
    said = ran.json["problems"]["order store"]
    assert re.search("file is not a database; what the venues list was cancelled, .*`xetrade reconcile`", said)
    assert trade("status", "--order-id", order["client_id"], "--refresh", "--json").json["state"] == "canceled"


def test_the_kill_switch_cancels_although_the_order_stores_directory_cannot_be_made(
    trade: Run, sim: Sim, tmp_path: Path
) -> None:
    placed(trade)
    (tmp_path / "file").touch()
    ran = trade("halt", "--json", XETRADE_TRADING__STORE=str(tmp_path / "file" / "orders.db"))
    assert (ran.code, ran.json["clean"], open_ids(sim)) == (1, False, [])
    assert "cannot be opened" in ran.json["problems"]["order store"]


def test_a_live_account_trades_only_while_it_is_armed(trade: Run) -> None:
    denied = trade("place", *LIMIT, **LIVE)
    assert denied.code == 2
    assert "live orders on binance/main would be 1, allowed is none: arm it first" in denied.error
    armed = trade("arm", "--venue", "binance", "--account", "main", "--cap", "120", "--for", "1h", "--json", **LIVE)
    assert [(row["venue"], row["account"], row["cap"]) for row in armed.json] == [("binance", "main", "120")]
    assert placed(trade, **LIVE)["live"] is True
    assert placed(trade, **LIVE)["state"] == "open"
    beyond = trade("place", *LIMIT, **LIVE)
    assert "armed notional of binance/main would be 150, allowed is 120" in beyond.error
    assert "unknown venue 'nowhere'" in trade("disarm", "--venue", "nowhere").error
    ended = trade("disarm", "--json")
    assert (ended.json, "disarmed binance/main" in ended.err) == ([], True)
    assert "live orders may still trade: `xetrade cancel --all`, or `xetrade halt`, ends them" in ended.err
    assert "arm it first" in trade("place", *LIMIT, **LIVE).error
    assert trade("cancel", "--all", **LIVE).code == 0


def test_what_is_not_live_needs_no_arming(trade: Run) -> None:
    assert "needs no arming" in trade("arm", "--venue", "binance", "--cap", "100").error
    assert "--cap 5000" in trade("arm", "--venue", "binance").error


@pytest.mark.parametrize(
    ("account", "says"),
    [
        ("rich", "the key of account rich on binance can withdraw: make one that can trade and nothing else"),
        ("reader", "the key of account reader on binance cannot trade"),
    ],
)
def test_a_key_that_may_too_much_or_too_little_is_not_used(trade: Run, sim: Sim, account: str, says: str) -> None:
    variables = {f"XETRADE_ACCOUNTS__{account.upper()}__VENUE": "binance"}
    ran = trade("place", *LIMIT, "--account", account, **variables)
    assert ran.code == 2
    assert says in ran.error
    assert all_ids(sim, account=account) == []
    both = {f"XETRADE_ACCOUNTS__{name}__VENUE": "binance" for name in ("RICH", "READER")}
    unsaid = trade("place", *LIMIT, **both).error
    assert "say which account of binance is meant: there is binance/rich, binance/reader" in unsaid


def test_orders_never_leave_the_machine_in_simulated_mode(trade: Run) -> None:
    variables = {
        "XETRADE_ACCOUNTS__MAIN__VENUE": "binance",
        "XETRADE_VENUES__BINANCE__REST_URL": "https://api.binance.com",
        "XETRADE_VENUES__BINANCE__WS_URL": "wss://stream.binance.com:9443",
    }
    ran = trade("place", *LIMIT, **variables)
    assert ran.code == 2
    assert "orders of binance/main would go to api.binance.com, and trading.mode is simulated" in ran.error


# -- what nobody knows -------------------------------------------------------------------------------------------------


def test_an_order_without_an_answer_has_its_own_exit_code_and_is_found_again(trade: Run, sim: Sim) -> None:
    sim.begin(kind="rest_dropped", venue="binance", path="/api/v3/order", for_=60)
    ran = trade("place", *LIMIT, "--key", "lost", XETRADE_TRADING__PATIENCE_S="0.5")
    assert ran.code == 3
    assert "the venue has not told whether it took it" in ran.error
    client_id = re.search(r"order (x\w+)", ran.error)
    assert client_id is not None
    sim.clear()
    resumed = trade("orders", "resume", "--within", "30s", "--json")
    assert [(row["client_id"], row["state"]) for row in resumed.json] == [(client_id[1], "open")]
    assert all_ids(sim).count(client_id[1]) == 1
    assert placed(trade, "--key", "lost")["client_id"] == client_id[1]
    assert all_ids(sim).count(client_id[1]) == 1


def test_resuming_asks_what_became_of_an_order_that_was_left_resting(trade: Run, sim: Sim) -> None:
    order = placed(trade)
    sim.fill("binance", order["order_id"])
    assert trade("status", "--order-id", order["client_id"], "--json").json["state"] == "open"
    [row] = trade("orders", "resume", "--json").json
    assert (row["state"], row["filled"], row["average_price"]) == ("filled", "0.001", "50000")


def test_an_order_waits_for_a_venue_that_is_down(trade: Run, sim: Sim) -> None:
    placed(trade)  # what the venue lists is known from then on
    sim.begin(kind="refuse", venue="binance", for_=3)
    now_or_never = trade("place", *LIMIT)
    assert now_or_never.code == 2
    assert "expired before the venue could be reached" in now_or_never.error
    assert placed(trade, "--expires", "30s")["state"] == "open"


def test_the_first_order_on_a_venue_that_is_down_waits_for_what_it_lists(trade: Run, sim: Sim) -> None:
    sim.begin(kind="refuse", venue="binance", for_=60)
    over = trade("place", *LIMIT, "--expires", "0.5s")
    assert over.code == 2
    said = over.err.strip().splitlines()[-1]  # after a line of the log, if there were tries enough to stop for a while
    assert "so it was until the order's own expiry, and nothing was sent" in said
    sim.clear()
    sim.begin(kind="refuse", venue="binance", for_=1.5)
    assert placed(trade, "--expires", "30s")["state"] == "open"


def test_a_cancel_without_an_answer_says_that_it_is_not_settled(trade: Run, sim: Sim) -> None:
    order = placed(trade)
    sim.begin(kind="rest_error", venue="binance", path="/api/v3/order", status=503, variant="before", for_=60)
    ran = trade("cancel", "--order-id", order["client_id"], XETRADE_TRADING__PATIENCE_S="0.3")
    assert ran.code == 3
    assert "is not settled yet: `xetrade orders resume` goes on with it" in ran.err
    sim.clear()
    [row] = trade("orders", "resume", "--within", "20s", "--json").json
    assert (row["client_id"], row["state"]) == (order["client_id"], "canceled")


def test_limits_are_shown_with_what_is_used(trade: Run) -> None:
    limits = {"XETRADE_LIMITS": json.dumps({"portfolio": {"max_open_orders": 5}, "venue *": {"order_rate": "10/60s"}})}
    placed(trade, **limits)
    rows = {
        (row["scope"], row["limit"]): (row["used"], row["allowed"])
        for row in trade("risk", "--json", **limits).json["limits"]
    }
    assert rows[("portfolio", "max_open_orders")] == ("1", "5")
    assert rows[("portfolio", "max_open_notional")] == ("50", None)
    assert rows[("venue binance", "order_rate")] == ("1", "10 in 60 s")
    assert "max_open_orders" in trade("risk", **limits).out


def test_the_doctor_looks_at_accounts_and_order_store(trade: Run) -> None:
    accounts = {f"XETRADE_ACCOUNTS__{name}__VENUE": "binance" for name in ("MAIN", "RICH")}
    placed(trade)
    trade("halt", "--keep-orders")
    checks = {check["name"]: check for check in trade("doctor", "--json", **accounts).json["checks"]}
    main, rich, store = (checks[name] for name in ("account binance/main", "account binance/rich", "order store"))
    assert main["state"] == "ok"
    assert "its key can trade, cannot withdraw" in main["found"]
    assert (rich["state"], "make one that can trade and nothing else" in rich["advice"]) == ("fail", True)
    assert (store["state"], store["found"]) == ("warn", "stopped: everything halted")


def test_keys_are_in_no_output_and_not_in_the_order_store(trade: Run, sim: Sim, tmp_path: Path) -> None:
    variables = {**LIVE, "XETRADE_ACCOUNTS__MAIN__API_KEY": f"{CANARY}-key", "XETRADE_ACCOUNTS__MAIN__SECRET": CANARY}
    shown = ""
    for words in (
        ("place", *LIMIT, "--json"),
        ("--debug", "place", *LIMIT),
        ("place", *LIMIT, "--dry-run"),
        ("arm", "--venue", "binance", "--cap", "10"),
        ("cancel", "--all"),
        ("status", "--venue", "binance", "--pair", "BTC-USDT", "--order-id", "1"),
        ("halt", "--json"),
        ("doctor", "--json"),
        ("risk",),
    ):
        ran = trade(*words, **variables)
        shown += ran.out + ran.err
    assert "binance" in shown
    assert CANARY not in shown
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_what_trades_at_once_is_told_with_its_fills_where_the_venue_only_acknowledges(
    answer: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = 'seed = 1\n[venues.bybit]\nsymbols = ["BTC/USDT", "ETH/USDT"]\n[venues.bybit.accounts.main]\n'
    crossing = ("--venue", "bybit", "--pair", "BTC-USDT", "--side", "buy", "--quantity", "0.001", "--price", "70000")
    with sim_process(scenario) as running:
        for name, value in addresses(running).items():
            monkeypatch.setenv(name, value)
        order = answer("place", *crossing, "--json").json
        assert (order["state"], order["filled"]) == ("filled", "0.001")
        assert order["average_price"] is not None

        with pytest.MonkeyPatch.context() as patch:  # as by a process that ended right after the acknowledgement
            patch.setattr(TradingDesk, "concluded", _as_acknowledged)
            left = answer("place", *crossing, "--json").json
        assert (left["state"], left["filled"]) == ("open", "0")
        asked = answer("status", "--order-id", left["client_id"], "--refresh", "--json").json
        assert (asked["state"], asked["filled"]) == ("filled", "0.001")
        assert asked["average_price"] is not None


async def _as_acknowledged(_: TradingDesk, order: Order) -> Order:
    return order


def test_open_orders_of_an_account_that_the_settings_lost_are_no_silence(trade: Run) -> None:
    order = placed(trade)
    elsewhere = {
        "XETRADE_ACCOUNTS__RICH__VENUE": "binance",
        "XETRADE_ACCOUNTS__RICH__API_KEY": "sim-rich-key",
        "XETRADE_ACCOUNTS__RICH__SECRET": "sim-rich-secret",
        "XETRADE_TRADING__MODE": "paper",
    }
    ran = trade("cancel", "--all", "--venue", "binance", "--json", **elsewhere)
    assert (ran.code, ran.json["clean"]) == (1, False)
    assert ran.json["problems"] == {"binance/main": "no such account in the settings, and 1 of its orders may be open"}
    assert trade("cancel", "--order-id", order["client_id"], "--json").json["state"] == "canceled"
    assert trade("cancel", "--all", "--venue", "binance", "--json", **elsewhere).json["clean"]


@pytest.mark.parametrize("command", ["cancel", "status"])
def test_an_order_that_is_nowhere_is_named_with_where_it_was_looked_for(trade: Run, command: str) -> None:
    named = ("--venue", "binance", "--pair", "BTC-USDT", "--order-id", "555")
    expected = "unknown order '555': no order of that id is in the order store, and binance has none such"
    assert trade(command, *named).error == f"error: {expected}"


def test_an_order_has_its_ids_and_numbers_in_one_piece_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = apply(None, event(EventKind.INTENDED, intent=intent(1, client_id="x" * 30))).order
    monkeypatch.setattr(output, "WIDTH", 80)
    show_orders("", [order], as_json=False, one=True)
    shown = capsys.readouterr().out
    for whole in ("x" * 30, "buy 0.01 BTC at 50000, limit", "BTC/USDT on binance/main", "filled 0"):
        assert whole in shown
