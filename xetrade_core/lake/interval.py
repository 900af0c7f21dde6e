"""At which sampling interval an hour is judged: the one it was recorded at, never one that someone assumes.

Every segment says its interval as Parquet metadata, and every completeness record says by which it was judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError

_KEY = "interval_ns"


def interval_metadata(interval_ns: int) -> dict[str, str]:
    """Schema metadata for a segment of rows, or of gap records, that were sampled every `interval_ns`."""
    return {_KEY: str(interval_ns)}


def segment_interval_ns(schema: pa.Schema) -> int | None:
    """What a segment says; None where it says nothing that can be read."""
    text: bytes = (schema.metadata or {}).get(_KEY.encode(), b"")
    return int(text) or None if text.isdigit() else None


@dataclass(frozen=True, slots=True)
class IntervalRule:
    """What is known before the files are looked at.

    `given_ns` is a claim: it must be what the files say, or one of what they say, or they must say nothing. `usual_ns`
    stands in where nothing else says anything, as for a symbol of which nothing came.
    """

    given_ns: int | None = None
    usual_ns: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("interval_ns", self.given_ns), ("usual_interval_ns", self.usual_ns)):
            if value is not None and value <= 0:
                raise ConfigError.of(name, value, "give a positive number of nanoseconds")

    def choose(self, what: str, told: Iterable[int | None], of_others: Iterable[int | None] = ()) -> int:
        """The interval in ns by which `what` is judged.

        `told` is what its own files say, `of_others` what the hour's other symbols say, for want of its own. Raises
        ConfigError where the files contradict `given_ns`, where they differ and nobody chose, and where nothing is
        known.
        """
        known = sorted({ns for ns in told if ns is not None})
        seconds = " and ".join(f"{ns / NS_PER_S:g} s" for ns in known)
        if self.given_ns is not None:
            if known and self.given_ns not in known:
                raise ConfigError(
                    f"{what} was recorded every {seconds}, not every {self.given_ns / NS_PER_S:g} s: "
                    "leave the interval out, or give the recorded one"
                )
            return self.given_ns
        if len(known) > 1:
            raise ConfigError(f"{what} was recorded every {seconds}: give the interval by which it is to be judged")
        if known:
            return known[0]
        others = {ns for ns in of_others if ns is not None}
        if len(others) == 1:
            return others.pop()
        if self.usual_ns is not None:
            return self.usual_ns
        raise ConfigError(f"nothing says at which interval {what} was recorded: give the interval")
