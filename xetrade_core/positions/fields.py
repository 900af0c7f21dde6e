"""Reading JSON objects field by field, with errors that say where, what and what is allowed. Numbers stay decimal."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError

E = TypeVar("E", bound=StrEnum)

MOST_DIGITS = 40
"""Digits before and after the point of a number that is taken: more are a mistake, and would take for ever."""
NUMBER = f'a decimal number such as "0.5", with at most {MOST_DIGITS} digits before and after the point'
TIME = "ISO 8601 such as 2026-01-31T08:00:00Z, or seconds, ms, us or ns since 1970"
_FRACTION = re.compile(r"[.,](\d+)(?=$|Z|[+-])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_json(text: bytes | str, name: str) -> Any:
    """A JSON document with every number as the Decimal that is written; raises ConfigError beginning with `name`."""
    try:
        return json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is not JSON: {error}") from None


class Fields:
    """One JSON object at `place`, whose fields go by the names of `known`, each with its other names."""

    def __init__(
        self,
        value: Any,
        place: str,
        known: Mapping[str, Collection[str]],
        shape: str,
        beside: Collection[str] = (),
        joint: str = ".",
    ) -> None:
        """Raises ConfigError where it is no object, or where an unknown field looks like a mistyped one, unless it is
        one of those that are known to stand `beside`. `joint` is between its place and a field's name."""
        if value is None:
            raise ConfigError(f"{place} is missing: give {shape}")
        if not isinstance(value, dict):
            raise ConfigError.of(place, _shown(value), shape)
        self.place = place
        self._joint = joint
        self._value = value
        self._known = known
        names = {other for name, others in known.items() for other in (name, *others)}
        for name in value.keys() - names - set(beside):
            if close := difflib.get_close_matches(name.lower(), names, 1, 0.8):
                raise ConfigError(f"{self.at(name)} is no field: did you mean {close[0]}?")

    def at(self, name: str) -> str:
        """The place of one of its fields."""
        return f"{self.place}{self._joint}{name}"

    def get(self, name: str) -> Any:
        """The field as it is, under whichever of its names; None where it is left out, null or empty."""
        given = [other for other in (name, *self._known[name]) if self._value.get(other) not in (None, "")]
        if len(given) > 1:
            raise ConfigError(f"{self.at(name)} is given twice, as {' and as '.join(given)}: keep one")
        return self._value[given[0]] if given else None

    def number(self, name: str, least: Decimal | None = None, above: Decimal | None = None) -> Decimal | None:
        """A decimal number; ConfigError where it is none, below `least` or not above `above`."""
        value = self.get(name)
        if value is None:
            return None
        found = number(value, self.at(name))
        if above is not None and not found > above:
            raise ConfigError.of(self.at(name), _shown(value), f"above {above}")
        if least is not None and found < least:
            raise ConfigError.of(self.at(name), _shown(value), f"{least} or more")
        return found

    def needed(self, name: str, above: Decimal | None = None, why: str = "") -> Decimal:
        """A number that must be there."""
        found = self.number(name, above=above)
        if found is None:
            self.missing(name, why or NUMBER)
        return found

    def choice(self, name: str, kind: type[E], usual: E | None = None) -> E:
        """One word of an enumeration, in any case; `usual` where it is left out."""
        value = self.get(name)
        allowed = ", ".join(member.value for member in kind)
        if value is None:
            if usual is None:
                self.missing(name, f"one of {allowed}")
            return usual
        word = value.strip().lower() if isinstance(value, str) else None
        if word not in set(kind):
            raise ConfigError.of(self.at(name), _shown(value), f"one of {allowed}")
        return kind(word)

    def word(self, name: str) -> str:
        """A text such as a currency; empty where it is left out."""
        value = self.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise ConfigError.of(self.at(name), _shown(value), 'a text such as "USDT"')
        return value.strip()

    def rows(self, name: str) -> Sequence[Any]:
        """A list; empty where it is left out."""
        value = self.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise ConfigError.of(self.at(name), _shown(value), "a list")
        return value

    def time_ns(self, name: str) -> int | None:
        """A time as UTC nanoseconds; None where it is left out."""
        value = self.get(name)
        return None if value is None else time_ns(value, self.at(name))

    def missing(self, name: str, allowed: str) -> NoReturn:
        """The error of a field that must be there."""
        raise ConfigError(f"{self.at(name)} is missing: give {allowed}")


def number(value: Any, place: str) -> Decimal:
    """A number as text or as a JSON number; raises ConfigError."""
    try:
        found = (
            Decimal(value.strip() if isinstance(value, str) else value) if isinstance(value, str | Decimal) else None
        )
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or "_" in str(value):
        raise ConfigError.of(place, _shown(value), NUMBER)
    exponent = found.as_tuple().exponent
    if not (isinstance(exponent, int) and exponent >= -MOST_DIGITS and found.adjusted() < MOST_DIGITS):
        raise ConfigError.of(place, _shown(value), NUMBER)
    return found


def time_ns(value: Any, place: str) -> int:
    """A time as UTC nanoseconds since 1970. Text without an offset is UTC; numbers tell their unit by their size."""
    if isinstance(value, Decimal) or (isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value.strip())):
        return _of_number(number(value, place), place)
    if isinstance(value, str):
        text = value.strip()
        fraction = _FRACTION.search(text)
        digits = fraction[1] if fraction else ""
        try:
            moment = datetime.fromisoformat(_FRACTION.sub("", text))
        except ValueError:
            raise ConfigError.of(place, value, TIME) from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round((moment - _EPOCH).total_seconds()) * NS_PER_S + int(digits[:9].ljust(9, "0"))
    raise ConfigError.of(place, _shown(value), TIME)


def _of_number(value: Decimal, place: str) -> int:
    if value < 0:
        raise ConfigError.of(place, _shown(value), TIME)
    for limit, unit in ((10**11, NS_PER_S), (10**14, 10**6), (10**17, 10**3)):
        if value < limit:
            return int(value * unit)
    return int(value)


def _shown(value: Any) -> str:
    """A value as an error shows it."""
    text = str(value) if isinstance(value, str | Decimal) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, none of whose fields stands there twice: of two prices nobody knows which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{twice}" stands twice in one object')
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
