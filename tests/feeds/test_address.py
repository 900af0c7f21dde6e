"""An address that must be asked for: anew at each connect, moved by configuration alone, and never guessed."""

from __future__ import annotations

import pytest

from tests.feeds.harness import SYMBOLS, check_truth, quick, running
from tests.support.sim import Sim
from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.book_events import GapCause
from xetrade_core.venues.kucoin_format import KucoinTicket

TICKET = KucoinTicket("kucoin")
BODY = (
    b'{"code":"200000","data":{"token":"a=b c","instanceServers":[{"endpoint":"wss://one/endpoint"},{"endpoint":"x"}]}}'
)


def test_the_first_server_is_taken_with_the_token_and_an_id_of_ours() -> None:
    assert TICKET.url(BODY, "7") == "wss://one/endpoint?token=a%3Db+c&connectId=7"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "answered with no address"),
        (b"<html>", "answered with no address"),
        (b'{"code":"200000","data":{}}', "answered with no address"),
        (b'{"code":"200000","data":{"token":"t","instanceServers":[]}}', "names no server"),
        (b'{"code":"429000","msg":"Too many requests."}', "code 429000 Too many requests"),
    ],
)
def test_a_reply_without_an_address_is_an_outage_in_one_line(body: bytes, said: str) -> None:
    with pytest.raises(VenueUnavailable, match=said):
        TICKET.url(body, "7")


async def test_it_is_asked_again_for_every_connection(sim: Sim) -> None:
    async with running("kucoin", quick(sim, "kucoin")) as run:
        await run.synced()
        sim.inject(kind="rest_error", venue="kucoin", path="bullet-public", count=2)
        sim.inject(kind="disconnect", venue="kucoin")
        await run.until(lambda: len(run.sink.gaps) == 2)
        await run.synced(within_s=20)
        await run.lasting(0.3)
        assert run.feed.status().reconnects == 3, "two of them were not even told where to connect to"
    assert {gap.cause for gap in run.sink.gaps} == {GapCause.DISCONNECT}
    await check_truth(run, sim)


async def test_the_rest_url_alone_leads_to_the_simulated_websocket(sim: Sim) -> None:
    async with running("kucoinfutures", quick(sim, "kucoinfutures", ws_url=None)) as run:
        await run.synced()
    assert {event.symbol for event in run.sink.syncs} == set(SYMBOLS["kucoinfutures"])


async def test_a_proxy_takes_the_place_of_the_told_host_and_keeps_path_and_token(sim: Sim) -> None:
    nowhere = quick(sim, "kucoin", ws_url="ws://127.0.0.1:9", ack_timeout_s=0.2)
    async with running("kucoin", nowhere) as run:
        await run.until(lambda: run.feed.status().reconnects >= 1)
        assert run.feed.status().connections == 0
