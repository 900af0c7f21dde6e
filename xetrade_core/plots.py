"""Pictures of recorded books, funding and profit: PNG bytes out of rows of the lake. Matplotlib is imported on use."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xetrade_core.errors import XETradeError

if TYPE_CHECKING:
    import pyarrow as pa

BID, ASK, MID, UNSYNCED = "#1a7f5a", "#c0392b", "#2c3e50", "#f4d9a8"
COLUMNS = ("timestamp", "synced", "bid_price", "bid_size", "ask_price", "ask_size")
#: more points than pixels help nobody and cost seconds
MOST_POINTS = 2000
MOST_BARS = 12
_LEAST_BARS = 6  # room is left for so many
_MOST_DAYS_NAMED = 8
_MOST_DECADES = 4  # with more of them, 2 and 5 are not named
_LEAST_MS = 1e-3  # a logarithmic axis has no zero


class NothingToDraw(XETradeError):
    """No row of the table has a book."""


def book_picture(rows: pa.Table, title: str) -> bytes:
    """Depth of the last synced book, and mid and spread over time with the unsynced stretches shaded, as one PNG.

    `rows` are those of one venue and symbol in time order, with at least `COLUMNS`. Raises NothingToDraw.
    """
    figure, (left, right) = _two_panels((2, 3))
    last = last_book(rows)
    _draw_depth(left, *last)
    _draw_touch(right, rows)
    return _png(figure, title)


def spread_picture(rows: pa.Table, title: str) -> bytes:
    """Spread of each venue and of the best across venues over time, and how long each venue held the best, as one PNG.

    `rows` are those of `best_quotes` of one symbol in time order. Raises NothingToDraw.
    """
    import pyarrow.compute as pc

    if rows.column("spread_bps").null_count == len(rows):
        raise NothingToDraw("no second has a best bid and ask: nothing to draw")
    figure, (left, right) = _two_panels((3, 1))
    _draw_spreads(left, rows)
    names = sorted({name for held in rows.column("venues").to_pylist() for name in held})
    for offset, side, colour in ((-0.2, "bid", BID), (0.2, "ask", ASK)):
        counts = {one["values"]: one["counts"] for one in pc.value_counts(rows.column(f"{side}_venue")).to_pylist()}
        share = [100 * counts.get(name, 0) / len(rows) for name in names]
        right.barh(np.arange(len(names)) + offset, share, height=0.4, color=colour, label=f"best {side}")
    right.set_yticks(range(len(names)), names, fontsize=8)
    right.set_title("holds the best, % of the time", fontsize=10)
    right.legend(fontsize=8)
    return _png(figure, title)


def funding_picture(series: Mapping[str, tuple[Sequence[int], Sequence[float]]], title: str) -> bytes:
    """APR (simple, %) over time, one line a venue, as a PNG.

    `series`: venue -> funding times (UTC ns), APRs (fractions). Raises NothingToDraw.
    """
    if not series:
        raise NothingToDraw("no venue has a funding: nothing to draw")
    figure, (left, right) = _two_panels((3, 1))
    names = sorted(series)
    for name in names:
        times, aprs = series[name]
        left.step(np.asarray(times, dtype="datetime64[ns]"), 100 * np.asarray(aprs), where="post", label=name)
    left.axhline(0, color="grey", linewidth=0.5)
    left.set_title("APR, % a year, paid by longs", fontsize=10)
    left.legend(fontsize=8)
    left.tick_params(axis="x", labelrotation=30, labelsize=8)
    right.barh(np.arange(len(names)), [100 * float(np.mean(series[name][1])) for name in names])
    right.set_yticks(range(len(names)), names, fontsize=8)
    right.set_title("mean", fontsize=10)
    return _png(figure, title)


def profit_picture(
    days_ns: Sequence[int], running: Sequence[float], by_symbol: Mapping[str, float], currency: str, title: str
) -> bytes:
    """The running net at the end of each day (UTC ns), and the net of all days by symbol, as a PNG.

    Raises NothingToDraw where there is no day.
    """
    if not days_ns:
        raise NothingToDraw("no day has a result: nothing to draw")
    figure, (left, right) = _two_panels((3, 2))
    left.plot(np.asarray(days_ns, dtype="datetime64[ns]"), running, color=MID, marker=".")
    left.axhline(0, color="grey", linewidth=0.5)
    left.set_title(f"equity: running net, {currency}", fontsize=10)
    left.set_xticks(*_day_ticks(days_ns))
    left.tick_params(axis="x", labelrotation=30, labelsize=8)
    _draw_bars(right, by_symbol)
    right.set_title(f"net by symbol, {currency}", fontsize=10)
    return _png(figure, title)


def _day_ticks(days_ns: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """Some of the days, evenly apart and the last among them, and what they are called."""
    every = -(-len(days_ns) // _MOST_DAYS_NAMED)
    chosen = np.asarray(days_ns[::-1][::every][::-1], dtype="datetime64[ns]")
    return chosen, [str(day)[5:10] for day in chosen]


def exposure_picture(
    exposure: Mapping[str, float], unrealized: Mapping[str, float], currency: str, title: str
) -> bytes:
    """What positions are worth at their marks, shorts to the left, and what they have not realized, as a PNG.

    Both by the position's name. Raises NothingToDraw where there is none.
    """
    if not exposure:
        raise NothingToDraw("no position has a mark: nothing to draw")
    figure, (left, right) = _two_panels((1, 1))
    for axes, values, name in ((left, exposure, "exposure"), (right, unrealized, "unrealized")):
        _draw_bars(axes, values)
        axes.set_title(f"{name}, {currency}", fontsize=10)
    return _png(figure, title)


def _draw_bars(axes: Any, values: Mapping[str, float]) -> None:
    """A bar a name, the largest on top, losses in another colour; what is beyond MOST_BARS is one bar."""
    ranked = sorted(values, key=lambda name: abs(values[name]), reverse=True)
    shown = {name: values[name] for name in ranked[:MOST_BARS]}
    if rest := ranked[MOST_BARS:]:
        shown[f"{len(rest)} others"] = sum(values[name] for name in rest)
    names = list(reversed(shown))
    colours = [BID if shown[name] >= 0 else ASK for name in names]
    axes.barh(np.arange(len(names)), [shown[name] for name in names], color=colours)
    axes.axvline(0, color="grey", linewidth=0.5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5 - max(len(names), _LEAST_BARS), len(names) - 0.5)  # a few bars are no walls


def stress_picture(
    times_ms: Mapping[str, Sequence[float]], endings: Mapping[str, Mapping[str, int]], title: str
) -> bytes:
    """How many of some calls took at most so long (left, logarithmic), and how the orders ended (right), as a PNG.

    `times_ms`: what was done -> milliseconds of each; `endings`: venue -> how they ended -> how many. Raises
    NothingToDraw where no call came back.
    """
    from matplotlib.ticker import NullFormatter

    drawn = {name: np.sort(np.maximum(found, _LEAST_MS)) for name, found in times_ms.items() if len(found)}
    if not drawn:
        raise NothingToDraw("no call came back: nothing to draw")
    figure, (left, right) = _two_panels((3, 2))
    for name, found in drawn.items():
        p50, p99 = (_short(float(np.quantile(found, share, method="inverted_cdf"))) for share in (0.5, 0.99))
        shares = 100 * np.arange(len(found) + 1) / len(found)
        left.step([found[0], *found], shares, where="post", label=f"{name}: p50 {p50}, p99 {p99} ms")
    left.set_xscale("log")
    left.set_xticks(*_log_ticks(drawn.values()))
    left.xaxis.set_minor_formatter(NullFormatter())
    left.set_xlabel("ms")
    left.set_ylim(-3, 103)
    left.set_title("% of calls within so long", fontsize=10)
    left.grid(visible=True, which="both", linewidth=0.3)
    left.legend(fontsize=8, loc="lower right")
    _draw_endings(right, endings)
    return _png(figure, title)


def _log_ticks(found: Iterable[NDArray[np.float64]]) -> tuple[list[float], list[str]]:
    """Places on a logarithmic axis that hold all of them between two, and what they are called."""
    ends = [float(end) for one in found for end in (one[0], one[-1])]
    decades = range(math.floor(math.log10(min(ends))), math.ceil(math.log10(max(ends))) + 1)
    steps = (1, 2, 5) if len(decades) <= _MOST_DECADES else (1,)
    places = [step * 10.0**decade for decade in decades for step in steps]
    first = max([place for place in places if place <= min(ends)], default=places[0])
    last = min([place for place in places if place >= max(ends)], default=places[-1])
    shown = [place for place in places if first <= place <= last]
    return shown, [_short(place) for place in shown]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _draw_endings(axes: Any, endings: Mapping[str, Mapping[str, int]]) -> None:
    """A bar a venue, the first on top, parted by how its orders ended; each part with how many."""
    names = list(reversed(list(endings)))
    start = np.zeros(len(names))
    for ending, colour in (("canceled", BID), ("filled", MID), ("failed", ASK), ("unknown", UNSYNCED)):
        many = np.array([endings[name].get(ending, 0) for name in names])
        if not many.any():
            continue
        bars = axes.barh(np.arange(len(names)), many, left=start, color=colour, label=ending)
        words = [f"{one:,}" if one else "" for one in many]
        axes.bar_label(bars, words, label_type="center", fontsize=8, color="black" if colour == UNSYNCED else "white")
        start += many
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5 - max(len(names), _LEAST_BARS), len(names) - 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title("orders, by how they ended", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")


def last_book(rows: pa.Table) -> tuple[list[float], list[float], list[float], list[float]]:
    """Bid prices, bid sizes, ask prices, ask sizes of the last row that has a book on both sides."""
    for index in range(rows.num_rows - 1, -1, -1):
        book = [rows.column(name)[index].as_py() for name in COLUMNS[2:]]
        if all(book):
            return book[0], book[1], book[2], book[3]
    raise NothingToDraw("no row has a book: nothing to draw; the gap ledger says why")


def touch(rows: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Times (ns), best bids and best asks of all rows; NaN where there is no book. At most MOST_POINTS rows, evenly."""
    import pyarrow as pa
    import pyarrow.compute as pc

    step = max(1, -(-rows.num_rows // MOST_POINTS))
    picked = rows.take(pa.array(range(0, rows.num_rows, step)))
    times = picked.column("timestamp").cast(pa.int64()).to_numpy()
    best: list[NDArray[np.float64]] = []
    for name in ("bid_price", "ask_price"):
        column = picked.column(name).combine_chunks()
        filled = pc.if_else(pc.greater(pc.list_value_length(column), 0), column, None)
        best.append(pc.list_element(filled, 0).to_numpy(zero_copy_only=False))
    return times, best[0], best[1]


def _two_panels(width_ratios: tuple[int, int]) -> tuple[Any, Any]:
    """A figure of two panels side by side, as wide as the Dagster UI shows without scrolling: 1122 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.2, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, 2, width_ratios=width_ratios)


def _png(figure: Any, title: str) -> bytes:
    figure.suptitle(title)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    return image.getvalue()


def _draw_spreads(axes: Any, rows: pa.Table) -> None:
    """A line a venue, the best across them in the foreground, and the crossed seconds shaded."""
    step = max(1, -(-rows.num_rows // MOST_POINTS))
    picked = rows.take(list(range(0, rows.num_rows, step))).to_pylist()
    when = np.array([row["timestamp"].value for row in picked], dtype="datetime64[ns]")
    for name in sorted({name for row in picked for name in row["venues"]}):
        spreads = [_spread_bps(row, name) for row in picked]
        axes.plot(when, spreads, linewidth=0.8, alpha=0.7, label=name)
    best = np.array([np.nan if row["spread_bps"] is None else row["spread_bps"] for row in picked])
    axes.plot(when, best, color=MID, linewidth=1.2, label="across venues")
    axes.axhline(0, color=MID, linewidth=0.5)
    for start, end in _runs(best < 0):
        axes.axvspan(when[start], when[min(end, len(when) - 1)], color=ASK, alpha=0.15, linewidth=0)
    axes.set_title("spread, basis points; shaded: crossed", fontsize=10)
    axes.legend(fontsize=8)
    axes.tick_params(axis="x", rotation=20, labelsize=8)


def _spread_bps(row: dict[str, Any], venue: str) -> float:
    """One venue's own spread in a row of `best_quotes`, NaN where it does not count or has one side only."""
    if venue not in row["venues"]:
        return float("nan")
    at = row["venues"].index(venue)
    bid, ask = row["venue_bid"][at], row["venue_ask"][at]
    return float("nan") if bid is None or ask is None else (ask - bid) / (ask + bid) * 2e4


def _draw_depth(
    axes: Any, bids: Sequence[float], bid_sizes: Sequence[float], asks: Sequence[float], ask_sizes: Sequence[float]
) -> None:
    """Size that stands up to each price, on both sides of the mid."""
    for prices, sizes, colour, name in ((bids, bid_sizes, BID, "bids"), (asks, ask_sizes, ASK, "asks")):
        total = np.cumsum(sizes)
        axes.step(prices, total, where="post", color=colour, label=name)
        axes.fill_between(prices, total, step="post", color=colour, alpha=0.2)
    axes.set_title(f"depth of the last book, {len(bids)} x {len(asks)} levels", fontsize=10)
    axes.set_xlabel("price")
    axes.set_ylabel("size up to there")
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(axis="x", nbins=5)
    axes.legend(fontsize=8)


def _draw_touch(axes: Any, rows: pa.Table) -> None:
    """Mid over time on the left scale, spread in basis points on the right one; time without a book is shaded."""
    times, bid, ask = _with_breaks(*touch(rows))
    when = times.astype("datetime64[ns]")
    mid = (bid + ask) / 2
    axes.plot(when, mid, color=MID, linewidth=1)
    axes.set_title("mid (line) and spread (dots); shaded: not in sync", fontsize=10)
    axes.set_ylabel("mid")
    axes.ticklabel_format(axis="y", useOffset=False)
    spread = axes.twinx()
    spread.plot(when, (ask - bid) / mid * 1e4, ".", color=ASK, markersize=2)
    spread.set_ylabel("spread, basis points")
    spread.set_ylim(bottom=0)
    missing = np.isnan(mid)
    for start, end in _runs(missing):
        axes.axvspan(when[start], when[min(end, len(when) - 1)], color=UNSYNCED, alpha=0.6, linewidth=0)
    axes.tick_params(axis="x", rotation=20, labelsize=8)


def _with_breaks(
    times: NDArray[np.int64], bid: NDArray[np.float64], ask: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The same with a point without a book wherever rows are missing, so that no line is drawn through nothing."""
    steps = np.diff(times)
    if not len(steps):
        return times, bid, ask
    usual = int(np.median(steps))
    before = np.flatnonzero(steps > 1.5 * usual)
    nothing = np.full(len(before), np.nan)
    places = before + 1
    return (
        np.insert(times, places, times[before] + usual),
        np.insert(bid, places, nothing),
        np.insert(ask, places, nothing),
    )


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end (exclusive) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
