"""What is alarming about positions: too large, too far below their best, too near to where the venue liquidates them,
marked by prices that are old or missing, or another at the venue than our fills make them.

An alarm is told when it begins and not again until it has ended; what ends is told in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from xetrade_core.monitor.view import PositionView
from xetrade_core.monitor.watch import Update
from xetrade_core.positions.numbers import short_text, stream_context
from xetrade_core.telemetry import alarm, get_logger

_log = get_logger("monitor")
#: what passes a limit of `PositionLimits`
BEYOND_LIMITS = ("position_too_large", "position_drawdown", "position_near_liquidation")


@dataclass(frozen=True, slots=True)
class PositionLimits:
    """What is allowed; None: anything. `max_notional` is of each position at its mark, `max_drawdown` of the net of all
    that settles in one currency, closed positions too, from the highest that was seen; both in settlement currency.
    `min_liquidation_distance` is between the mark and the venue's liquidation price, in percent of the mark.
    `fresh_marks`: tell of open positions whose mark is too old or missing."""

    max_notional: Decimal | None = None
    max_drawdown: Decimal | None = None
    min_liquidation_distance: Decimal | None = None
    fresh_marks: bool = True

    def or_else(self, usual: PositionLimits) -> PositionLimits:
        """These, and the usual ones where nothing is said here."""
        return PositionLimits(
            usual.max_notional if self.max_notional is None else self.max_notional,
            usual.max_drawdown if self.max_drawdown is None else self.max_drawdown,
            usual.min_liquidation_distance if self.min_liquidation_distance is None else self.min_liquidation_distance,
            self.fresh_marks,
        )

    @classmethod
    def of(
        cls,
        max_notional: float | None = None,
        max_drawdown: float | None = None,
        min_liquidation_distance: float | None = None,
    ) -> PositionLimits:
        """From numbers of a run's config."""

        def exact(value: float | None) -> Decimal | None:
            return None if value is None else Decimal(repr(value))

        return cls(exact(max_notional), exact(max_drawdown), exact(min_liquidation_distance))


@dataclass(frozen=True, slots=True)
class Alarming:
    """One thing that is wrong; `kind` and `about` say which, `message` what to do. `venue`: where, if it is of one."""

    kind: str
    about: str
    message: str
    venue: str = ""


def mismatch(words: str) -> Alarming:
    """Of a position that the venue says is another, as `comparing.in_words` says it."""
    about = words.rpartition(": ")[0]
    return Alarming("position_mismatch", about, f"{words}: compare orders and fills with the venue; xetrade reconcile")


class Watchman:
    """Looks at each update and tells what has become alarming. `best` is the highest net that was seen, by settlement
    currency; it may have been seen before."""

    def __init__(self, limits: PositionLimits, best: Mapping[str, Decimal] | None = None) -> None:
        self._limits = limits
        self.best: dict[str, Decimal] = dict(best or {})
        self._told: set[tuple[str, str]] = set()

    def tell(self, found: Alarming) -> None:
        """Tell of one thing, unless it was told already."""
        if (found.kind, found.about) not in self._told:
            alarm(found.kind, found.message)
            self._told.add((found.kind, found.about))

    def look(self, update: Update) -> list[Alarming]:
        """What is alarming now, of which that is told which was not before."""
        found = [
            *self._sizes(update), *self._drawdowns(update), *self._liquidations(update), *self._marks(update),
            *map(mismatch, update.mismatches),
        ]  # fmt: skip
        now = {(one.kind, one.about) for one in found}
        for one in found:
            self.tell(one)
        for kind, about in sorted(self._told - now):
            _log.info("no longer alarming", alarm=kind, about=about)
        self._told = now
        return found

    def _sizes(self, update: Update) -> list[Alarming]:
        most = self._limits.max_notional
        if most is None:
            return []
        return [
            Alarming(
                "position_too_large",
                _name(row),
                f"{_name(row)} is worth {short_text(row.notional)} {row.settle}, allowed is {most:f}: "
                "reduce it, or raise the limit",
                row.venue,
            )
            for row in update.positions
            if row.notional is not None and row.notional > most
        ]

    def _drawdowns(self, update: Update) -> list[Alarming]:
        most = self._limits.max_drawdown
        found = []
        for total in update.results:  # closing a position changes nothing of what was made
            if total.net is None:
                continue
            best = self.best[total.settle] = max(self.best.get(total.settle, total.net), total.net)
            with localcontext(stream_context()):
                lost = best - total.net
            if most is not None and lost > most:
                message = (
                    f"positions in {total.settle} are {short_text(lost)} below their best, allowed is "
                    f"{most:f}: reduce them, or raise the limit"
                )
                found.append(Alarming("position_drawdown", total.settle, message))
        return found

    def _liquidations(self, update: Update) -> list[Alarming]:
        """One for each account and symbol: strategies of an account are liquidated together."""
        least = self._limits.min_liquidation_distance
        found: dict[str, Alarming] = {}
        for row in update.positions:
            distance = row.liquidation_distance
            if least is None or distance is None or distance >= least:
                continue
            about = f"{row.symbol} on {row.venue} {row.account}"
            prices = f"mark {short_text(row.mark)}, liquidation {short_text(row.liquidation)}"
            message = (
                f"{about} is {short_text(distance, 2)} % from where the venue liquidates it ({prices}), allowed is "
                f"{least:f} %: reduce it, or add margin"
            )
            found[about] = Alarming("position_near_liquidation", about, message, row.venue)
        return list(found.values())

    def _marks(self, update: Update) -> list[Alarming]:
        """A mark that has never been there is missing once its venue has had the time to tell it."""
        if not self._limits.fresh_marks:
            return []
        return [
            Alarming(
                "position_unmarked",
                _name(row),
                f"{_name(row)} has {'no mark' if row.mark is None else f'a mark of {row.mark_age_s:.0f} s ago'}: what "
                "it is worth is not known; see whether the venue answers, and lists it",
            )
            for row in update.positions
            if row.quantity and (row.mark_stale or (row.mark is None and row.venue not in update.awaited))
        ]


def _name(row: PositionView) -> str:
    return " ".join(part for part in (row.symbol, "on", row.venue, row.account, row.strategy) if part)
