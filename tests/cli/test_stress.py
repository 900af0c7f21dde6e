"""`xetrade stress` as a person runs it, against simulated venues."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, clean_environment
from tests.support.sim import Sim, sim_process

SCENARIO = 'seed = 1\n[venues.binance]\nsymbols = ["BTC/USDT"]\n[venues.binance.accounts.main]\n'
Cli = Callable[..., Ran]


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def stressed(sim: Sim, answer: Cli) -> Cli:
    return lambda *arguments: answer("stress", *arguments, XETRADE_VENUES__BINANCE__REST_URL=sim.url("binance").rest)


def test_all_orders_are_placed_cancelled_and_accounted_for(sim: Sim, xetrade: Cli, tmp_path: Path) -> None:
    test = ("--pair", "BTC-USDT", "--clients", "30", "--picture", "times.png")
    ran = xetrade("stress", *test, XETRADE_VENUES__BINANCE__REST_URL=sim.url("binance").rest)
    assert (ran.code, ran.err) == (0, "")
    assert "30 orders by 30 clients" in ran.out
    assert "binance/main: the venue has none of these orders open, lost or doubled" in ran.out
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")


def test_the_older_spelling_counts_orders_and_answers_in_json(stressed: Cli) -> None:
    ran = stressed("--exchange", "binance", "--pair", "BTC/USDT", "--count", "5", "--json")
    assert ran.code == 0
    assert (ran.json["passed"], ran.json["total"]["canceled"], ran.json["clients"]) == (True, 5, 5)
    assert ran.json["total"]["place"]["p50_ms"] > 0


def test_a_key_that_was_used_says_that_nothing_was_placed_now(stressed: Cli) -> None:
    test = ("--pair", "BTC-USDT", "--key", f"again-{time.time_ns()}")
    assert "earlier test" not in stressed(*test, "--count", "3").out
    again = stressed(*test, "--count", "3", "--picture", "times.png")
    assert again.code == 0
    assert "all 3 orders of the key" in again.out
    assert "none was placed now" in again.out
    assert again.err == "no picture: no call came back: nothing to draw\n"
    more = stressed(*test, "--count", "5", "--json").json
    assert (more["total"]["orders"], more["total"]["placed_before"], more["total"]["place"]["count"]) == (5, 3, 2)


def test_failures_are_told_by_cause_and_by_exit_code(stressed: Cli, sim: Sim) -> None:
    sim.begin(kind="order_refused", venue="binance", variant="insufficient_funds", count=2)
    ran = stressed("--pair", "BTC-USDT", "--count", "4")
    assert ran.code == 1
    assert "2 x -2010: " in ran.out
    assert "everything is accounted for" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--pair", "BTC-USDT", "--clients", "0"), "clients = 0 is not valid: 1 to 5000"),
        (("--pair", "BTC-USDT", "--count", "0"), "count = 0 is not valid: at least 1"),
        (("--pair", "BTC-USDT", "--soak", "1m", "--count", "3"), "a count of orders or a time to soak, not both"),
        (("--pair", "BTC-USDT", "--below", "150%"), "--below = '150%' is not valid: a share such as 5% or 0.05"),
        (("--pair", "BTC-USDT", "--below", "nan"), "--below = 'nan' is not valid: a share such as 5% or 0.05"),
        (("--pair", "BTC-USDT", "--picture", "no/such.png"), "--picture = 'no/such.png' is not valid: a file in a"),
        (
            (
                "--pair",
                "NO-SUCH",
            ),
            "NO-SUCH",
        ),
        (("--pair", "BTC-USDT", "--venues", "nasdaq"), "unknown venue 'nasdaq'"),
        (("--pair", "BTC-USDT", "--venues", "bitmart"), "shut down"),
    ],
)
def test_every_mistake_is_one_line(stressed: Cli, arguments: tuple[str, ...], says: str) -> None:
    ran = stressed(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.error


def test_a_test_that_is_interrupted_says_how_to_cancel_what_it_left(sim: Sim, tmp_path: Path) -> None:
    test = [sys.executable, "-m", "xetrade_core.cli", "stress", "--pair", "BTC-USDT", "--clients", "2", "--soak", "1m"]
    places = clean_environment(XETRADE_VENUES__BINANCE__REST_URL=sim.url("binance").rest)
    with subprocess.Popen(test, cwd=tmp_path, env=places, stderr=subprocess.PIPE, text=True) as running:
        while not sim.account("binance")["open_orders"]:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=20)
    assert "Traceback" not in said
    [key] = re.findall(r"the same command with --key (stress-\w+) cancels them", said)
    assert f"orders of {key} may be open" in said
