"""`xetrade arm`, `disarm`, `halt`, `resume-trading`, `risk`: what orders may do, said by an operator.

All of it is in the order store and holds for every process at once. Cancels always pass.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.desk import (
    ByOption,
    OneAccountOption,
    OneVenueOption,
    ReasonOption,
    amount,
    cancel_everything,
    show_rows,
    who,
    with_desk,
)
from xetrade_core.cli.options import JsonOption, open_settings, seconds
from xetrade_core.cli.output import count, emit_json, emit_text, say
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, StoreUnavailable

if TYPE_CHECKING:
    from xetrade_core.assembly.trading import TradingDesk
    from xetrade_core.model.order_events import TradingState
    from xetrade_core.settings import Settings


def arm(
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    cap: Annotated[str, typer.Option("--cap", help="Most that may be traded and open under it, in USD.")] = "",
    lasting: Annotated[str, typer.Option("--for", help="It ends by itself after this: 1h, 30m.")] = "1h",
    by: ByOption = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Allow live orders, up to a value, for a time.

    Of one account; without --venue it shows what is armed. The account must be marked live in the settings,
    trading.mode be live, and the venue say that the key cannot withdraw.

    \b
    xetrade arm --venue binance --account main --cap 5000 --for 1h --reason "rebalancing"
    xetrade arm
    """
    from xetrade_core.model.order_events import ControlEvent, ControlKind

    settings = open_settings()
    if venue:
        if not cap:
            raise ConfigError("say what may be traded at most: --cap 5000")
        notional, lasting_s = amount(cap, "--cap"), seconds(lasting, "--for")

        async def work(desk: TradingDesk) -> None:
            plan = desk.plan(venue, account or None)
            if not plan.live:
                raise ConfigError(
                    f"{venue}/{plan.account} trades with {plan.where}, which needs no arming: live trading takes "
                    f"trading.mode = live and accounts.{plan.account}.live = true"
                )
            await desk.require_safe_key(plan.name)
            now_ns = time.time_ns()
            await desk.orders.control(
                ControlEvent(
                    kind=ControlKind.ARMED,
                    at_ns=now_ns,
                    by=who(by),
                    reason=reason,
                    venue=venue,
                    account=plan.account,
                    notional_cap=notional,
                    expires_ns=now_ns + round(lasting_s * NS_PER_S),
                )
            )

        with_desk(settings, work, venue=venue, account=account)
    elif cap or account:
        raise ConfigError("name the venue with --venue")
    _show_armed(settings, as_json=as_json)


def disarm(
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    by: ByOption = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """End the arming of an account, or of all.

    What is open stays open: `xetrade cancel --all`, or `xetrade halt`, ends that.

    \b
    xetrade disarm --venue binance --account main
    xetrade disarm
    """
    from xetrade_core.assembly.order_store import open_store, require_account
    from xetrade_core.clock import SystemClock
    from xetrade_core.model.order_events import ControlEvent, ControlKind
    from xetrade_core.trading.overview import arm_rows
    from xetrade_core.venues.registry import venue as known_venue

    settings = open_settings()
    if venue:
        known_venue(venue)
    store = open_store(settings, SystemClock())
    ended: list[str] = []
    try:
        armed = store.do(lambda work: [row for row in arm_rows(work.risk, time.time_ns()) if row["armed"]])
        require_account(settings, store, account, others=[str(row["account"] or "") for row in armed])
        for armed_venue, armed_account in ((str(row["venue"]), str(row["account"] or "")) for row in armed):
            if venue in ("", armed_venue) and account in ("", armed_account):
                ended.append("/".join(filter(None, (armed_venue, armed_account))))
                store.control(
                    ControlEvent(
                        kind=ControlKind.DISARMED,
                        at_ns=time.time_ns(),
                        by=who(by),
                        reason=reason,
                        venue=armed_venue,
                        account=armed_account or None,
                    )
                )
        still = store.working(venue=venue or None, account=account or None)
    finally:
        store.close()
    asked = "/".join(filter(None, (venue, account))) or "any account"
    say(f"disarmed {', '.join(ended)}" if ended else f"nothing of {asked} was armed")
    if live := sum(order.intent.live for order in still):
        say(f"{count(live, 'live order')} may still trade: `xetrade cancel --all`, or `xetrade halt`, ends them")
    _show_armed(settings, as_json=as_json)


def _show_armed(settings: Settings, *, as_json: bool) -> None:
    from xetrade_core.assembly.order_store import risk_overview
    from xetrade_core.clock import SystemClock
    from xetrade_core.trading.limits import CURRENCY

    rows = [row for row in risk_overview(settings, SystemClock()).arms if row["armed"]]
    if as_json:
        emit_json(rows)
    elif rows:
        show_rows(f"armed, money in {CURRENCY}", rows)
    else:
        emit_text("nothing is armed")


def halt(
    venue: OneVenueOption = "",
    pair: Annotated[str, typer.Option("--pair", help="Only this pair of that venue.")] = "",
    reducing: Annotated[
        bool, typer.Option("--reducing", help="Let reduce-only orders pass, and keep what is open.")
    ] = False,
    keep_orders: Annotated[bool, typer.Option("--keep-orders", help="Halt, and cancel nothing.")] = False,
    by: ByOption = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Stop trading: cancel everything, and verify.

    Nothing new passes, every open order is cancelled, whoever placed it, and the venues are asked what is left.
    Everywhere, or on one venue, or of one pair. Holds for every process until `xetrade resume-trading`. Exit code 1
    unless every venue has said that nothing is open.

    \b
    xetrade halt --reason "wrong prices"
    xetrade halt --venue binance --pair BTC-USDT
    xetrade halt --reducing
    """
    from xetrade_core.model.order_events import TradingState

    settings = open_settings()
    state = TradingState.REDUCING if reducing else TradingState.HALTED
    try:
        where = _set_state(settings, state, venue, pair, by, reason)
    except StoreUnavailable as error:
        if reducing or keep_orders:
            raise
        say(f"trading is NOT halted, as {error}; cancelling all the same")
    else:
        if reducing or keep_orders:
            _show_state(settings, state, where, as_json=as_json)
            return
        if not as_json:
            say(f"trading of {where} is halted")
    cancel_everything(settings, venue, "", pair, as_json=as_json, halted=True)


def resume_trading(
    venue: OneVenueOption = "",
    pair: Annotated[str, typer.Option("--pair", help="Only this pair of that venue.")] = "",
    by: ByOption = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let orders pass again that a halt has stopped.

    The same scope as it was halted: a halt of a venue stands until that venue is resumed.

    \b
    xetrade resume-trading
    xetrade resume-trading --venue binance --pair BTC-USDT
    """
    from xetrade_core.model.order_events import TradingState

    settings = open_settings()
    where = _set_state(settings, TradingState.ACTIVE, venue, pair, by, reason)
    _show_state(settings, TradingState.ACTIVE, where, as_json=as_json)


def _set_state(settings: Settings, state: TradingState, venue: str, pair: str, by: str, reason: str) -> str:
    """Record what a scope may do; its name. It takes no venue's answer, but to read a pair that was never traded."""
    from xetrade_core.assembly.halting import set_trading_state
    from xetrade_core.clock import SystemClock

    stated = set_trading_state(
        settings, SystemClock(), state, venue=venue or None, pair=pair or None, by=who(by), reason=reason
    )
    if stated.doubt is not None:
        say(stated.doubt)
    return stated.scope


def _show_state(settings: Settings, state: TradingState, where: str, *, as_json: bool) -> None:
    from xetrade_core.assembly.order_store import risk_overview
    from xetrade_core.clock import SystemClock

    rows = risk_overview(settings, SystemClock()).states
    if as_json:
        emit_json(rows)
        return
    emit_text(f"trading of {where} is {state.value}")
    others = [row for row in rows if row["state"] != "active" and row["scope"] != where]
    show_rows("also stopped", others)
    for row in others:
        venue, _, symbol = str(row["scope"]).partition(" ")
        scope = [] if venue == "everything" else ["--venue", venue, *(["--pair", symbol] if symbol else [])]
        emit_text(f"`{' '.join(['xetrade resume-trading', *scope])}` lifts that of {row['scope']}")


def risk(as_json: JsonOption = False) -> None:
    """Show limits, and what is used of them.

    Also what is halted and what is armed.

    \b
    xetrade risk
    xetrade risk --json
    """
    from xetrade_core.assembly.order_store import risk_overview
    from xetrade_core.clock import SystemClock
    from xetrade_core.trading.limits import CURRENCY

    settings = open_settings()
    found = risk_overview(settings, SystemClock())
    if as_json:
        emit_json(found)
        return
    show_rows(
        f"mode {found.mode}, money in {CURRENCY}",
        [
            {"scope": one.scope, "limit": one.limit, "used": one.used, "allowed": one.allowed or "not limited"}
            for one in found.limits
        ],
    )
    show_rows("stopped", [row for row in found.states if row["state"] != "active"])
    show_rows(f"armed, money in {CURRENCY}", [row for row in found.arms if row["armed"]])


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (arm, disarm, halt, risk):
        app.command()(command)
    app.command("resume-trading")(resume_trading)
