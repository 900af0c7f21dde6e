"""Reading a venue's reply: one that cannot be read says nothing, and the order may live all the same."""

from __future__ import annotations

from xetrade_core.trading.execution import NoReply


class Reading:
    """Turns what goes wrong while a reply is read into NoReply. `what` and `venue` are named in its message."""

    def __init__(self, what: str, venue: str) -> None:
        self._what = what
        self._venue = venue

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (ValueError, LookupError, TypeError, AttributeError)):
            raise NoReply(f"the {self._what} that {self._venue} answered cannot be read: {error}") from None
