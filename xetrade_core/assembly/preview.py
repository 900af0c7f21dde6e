"""What placing an order would do, checked as it would be, for who wants to see it before."""

from __future__ import annotations

from dataclasses import dataclass

from xetrade_core.assembly.accounts import AccountPlan
from xetrade_core.model.contracts import Contract
from xetrade_core.model.orders import Intent
from xetrade_core.trading.overview import number
from xetrade_core.trading.risk import Denial


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would be, and why risk would deny it if it would."""

    intent: Intent
    plan: AccountPlan
    denial: Denial | None


def preview_row(preview: Preview) -> dict[str, str | bool | None]:
    """What would be sent, for people. `value` is in USD, the currency that limits are in."""
    intent, plan = preview.intent, preview.plan
    return {
        "to": f"{plan.venue.name}, {plan.where}",
        "account": plan.account,
        "client_id": intent.client_id,
        "pair": intent.symbol,
        "side": intent.side.value,
        "type": intent.type.value,
        "quantity": number(intent.amount),
        "unit": intent.unit,
        "price": number(intent.price),
        "currency": Contract.currencies(intent.symbol)[1],
        "value": number(intent.terms.value(intent.amount, intent.reserve_price)),
        "time_in_force": intent.time_in_force.value,
        "post_only": intent.post_only,
        "reduce_only": intent.reduce_only,
        "strategy": intent.strategy or None,
        "live": intent.live,
    }
