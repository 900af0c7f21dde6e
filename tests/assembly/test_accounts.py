"""Which accounts may be traded, where their orders go: what each mode allows, and what it refuses."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from xetrade_core.assembly.accounts import AccountPlan, is_loopback, plan_accounts
from xetrade_core.assembly.limits import risk_limits, scope_of
from xetrade_core.assembly.markets import stream_options
from xetrade_core.errors import ConfigError, NotSupported, UnknownVenue, XETradeError
from xetrade_core.settings import Settings, load_settings
from xetrade_core.trading.limits import Scope, ScopeKind
from xetrade_core.venues.venue import RateRule

HERE = {"rest_url": "http://127.0.0.1:7001", "ws_url": "ws://127.0.0.1:7001"}
KEY = {"api_key": "a key", "secret": "a secret"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("XETRADE_"):
            monkeypatch.delenv(name)


def settings(mode: str = "simulated", here: bool = True, **accounts: dict[str, Any]) -> Settings:
    venues = {"binance": HERE} if here else {}
    return load_settings(trading={"mode": mode}, venues=venues, accounts=accounts)


def only(found: Settings, **wanted: str) -> AccountPlan:
    [plan] = plan_accounts(found, **wanted).require_any()
    return plan


def refusal(found: Settings, **wanted: str) -> str:
    with pytest.raises(XETradeError) as raised:
        plan_accounts(found, **wanted).require_any()
    return str(raised.value)


def test_without_any_accounts_there_is_main_on_every_simulated_venue_with_its_documented_key() -> None:
    plan = only(settings())
    assert plan.name == ("binance", "main")
    assert list(plan.credentials) == ["sim-main-key", "sim-main-secret", "sim-main-pass"]
    assert (plan.live, plan.options.testnet, plan.options.rest_url) == (False, False, HERE["rest_url"])
    assert "see `xetrade sim`" in refusal(settings(here=False))


def test_simulated_mode_reaches_this_machine_alone() -> None:
    assert only(settings(main={"venue": "binance", **KEY})).where == "a simulated venue on this machine"
    said = refusal(settings(here=False, main={"venue": "binance", **KEY}))
    assert "orders of binance/main would go to api.binance.com, and trading.mode is simulated" in said


def test_simulated_mode_uses_no_key_of_yours() -> None:
    plan = only(settings(main={"venue": "binance", **KEY}))
    assert "a key" not in list(plan.credentials)
    assert list(only(settings("paper", main={"venue": "binance", **KEY})).credentials) == ["a key", "a secret"]


def test_a_wallets_simulated_key_is_made_of_the_documented_one_and_its_subaccount_is_yours_elsewhere() -> None:
    here = load_settings(venues={"derive": HERE})
    hashed = [hashlib.sha256(f"sim-main-{part}".encode()).hexdigest() for part in ("key", "secret")]
    credentials = only(here).credentials
    assert list(credentials) == [f"0x{hashed[0][:40]}", hashed[1]]
    assert credentials.subaccount == int(hashed[0][40:46], 16)
    key = {"api_key": f"0x{hashed[0][:40]}", "secret": hashed[1]}
    own = settings("paper", here=False, main={"venue": "derive", "subaccount": 7, **key})
    assert (list(only(own).credentials), only(own).credentials.subaccount) == ([*key.values()], 7)
    assert "has no subaccount" in refusal(settings("paper", here=False, main={"venue": "derive", **key}))


def test_an_account_marked_live_is_not_live_in_another_mode() -> None:
    for mode in ("simulated", "paper"):
        assert only(settings(mode, main={"venue": "binance", "live": True, **KEY})).live is False


def test_paper_goes_to_the_venues_testnet_or_to_this_machine() -> None:
    plan = only(settings("paper", here=False, main={"venue": "binance", **KEY}))
    assert (plan.options.testnet, plan.options.rest_url, plan.live) == (True, None, False)
    assert only(settings("paper", main={"venue": "binance", **KEY})).options.rest_url == HERE["rest_url"]
    elsewhere = load_settings(
        trading={"mode": "paper"},
        venues={"binance": {"rest_url": "https://api.binance.com"}},
        accounts={"main": {"venue": "binance", **KEY}},
    )
    assert "neither this machine nor Binance spot's testnet" in refusal(elsewhere)


def test_live_takes_the_mode_and_the_account() -> None:
    plan = only(settings("live", here=False, main={"venue": "binance", "live": True, **KEY}))
    assert (plan.live, plan.options.testnet, plan.options.rest_url) == (True, False, None)
    careful = only(settings("live", here=False, main={"venue": "binance", **KEY}))
    assert (careful.live, careful.options.testnet) == (False, True)


def test_live_orders_are_measured_by_the_live_venue_even_beside_an_account_on_paper() -> None:
    both = {"first": {"venue": "binance", "live": True, **KEY}, "second": {"venue": "binance", **KEY}}
    plans = plan_accounts(settings("live", here=False, **both))
    assert [plan.options.testnet for plan in plans.ready] == [False, True]
    assert plans.reading()["binance"].options.testnet is False


def test_books_are_streamed_from_where_the_orders_go() -> None:
    paper = settings("paper", here=False, main={"venue": "binance", **KEY})
    streamed = stream_options(paper, only(paper), 100)
    assert (streamed.testnet, streamed.rest_url, streamed.ws_url) == (True, None, None)
    unsaid = load_settings(venues={"binance": {"rest_url": HERE["rest_url"], "feed": "poll"}})
    streamed = stream_options(unsaid, only(unsaid), 100)
    assert (streamed.feed, streamed.testnet, streamed.ws_url) == ("stream", False, HERE["ws_url"])


def test_only_simulated_mode_has_keys_of_its_own() -> None:
    said = refusal(settings("live", main={"venue": "binance", "live": True}))
    assert said == "account main has no key: set XETRADE_ACCOUNTS__MAIN__API_KEY and XETRADE_ACCOUNTS__MAIN__SECRET"
    half = refusal(settings("paper", main={"venue": "binance", "api_key": "k"}))
    assert half == "account main has no key: set XETRADE_ACCOUNTS__MAIN__SECRET"
    okx = load_settings(trading={"mode": "live"}, accounts={"main": {"venue": "okx", "live": True, **KEY}})
    assert refusal(okx).endswith("no passphrase, which its venue wants: set XETRADE_ACCOUNTS__MAIN__PASSPHRASE")


def test_the_stream_may_not_lead_elsewhere_than_the_calls() -> None:
    split = load_settings(venues={"binance": {**HERE, "ws_url": "wss://stream.binance.com:9443"}})
    assert "must lead to the same place" in refusal(split)
    unsaid = load_settings(venues={"binance": {"rest_url": HERE["rest_url"]}})
    assert only(unsaid).ws_url == HERE["ws_url"]
    paper = load_settings(
        trading={"mode": "paper"},
        venues={"binance": {"ws_url": "wss://stream.binance.com:9443"}},
        accounts={"main": {"venue": "binance", **KEY}},
    )
    assert (only(paper).options.testnet, only(paper).ws_url) == (True, None)


def test_one_account_that_cannot_be_traded_leaves_the_others() -> None:
    plans = plan_accounts(settings(main={"venue": "binance"}, other={"venue": "bybit"}))
    assert [plan.name for plan in plans.ready] == [("binance", "main")]
    assert "trading.mode is simulated" in str(plans.problems[("bybit", "other")])


def test_what_is_not_there_is_said_with_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is binance/main" in refusal(settings(), venue="binance", account="other")
    assert "XETRADE_VENUES__BYBIT__REST_URL names no venue on this machine" in refusal(settings(), venue="bybit")
    with monkeypatch.context() as patch:
        patch.setattr("xetrade_core.assembly.accounts.tradable_venues", lambda: ("binance",))
        with pytest.raises(NotSupported, match="orders cannot be placed on Bybit: only on binance"):
            plan_accounts(settings(), venue="bybit")
    with pytest.raises(UnknownVenue):
        plan_accounts(settings(), venue="nowhere")
    assert "accounts.main.venue" in refusal(settings("paper", main=KEY))


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://127.0.0.1.example.com", False),
        ("http://10.0.0.1", False),
        ("https://api.binance.com", False),
        ("", False),
    ],
)
def test_what_this_machine_is(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def test_limits_are_named_as_denials_name_them() -> None:
    limits = risk_limits(
        load_settings(
            limits={
                "portfolio": {"max_exposure": "1000", "order_rate": "10 / 1s"},
                "symbol binance BTC/USDT": {"max_position": "0.5"},
                "venue *": {"max_open_orders": 3},
            }
        )
    )
    scopes = {str(scope): one for scope, one in limits.by_scope.items()}
    assert set(scopes) == {"portfolio", "symbol binance BTC/USDT", "venue *"}
    assert scopes["portfolio"].order_rate == RateRule(10, 1.0)
    assert scope_of("account binance/main") == Scope(ScopeKind.ACCOUNT, "binance/main")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"everything": {}}, "'everything' is no name here: portfolio"),
        ({"portfolio": {"order_rate": "fast"}}, "orders in so many seconds, such as 10/1s"),
        ({"portfolio": {"max_exposure": "-1"}}, "greater than or equal to 0"),
        ({"portfolio": {"max_exposur": "1"}}, "did you mean limits.portfolio.max_exposure?"),
        ({"account main": {}}, "is written like 'account binance/main'"),
        ({"portfolio": {"max_position": "1"}}, "only symbols have a position"),
    ],
)
def test_a_wrong_limit_is_one_line(limits: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        risk_limits(load_settings(limits=limits))
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
