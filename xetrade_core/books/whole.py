"""A book that its venue sends whole each time, rather than as a snapshot and changes."""

from __future__ import annotations

from collections.abc import Sequence

from xetrade_core.books.book import L2Book, Level, Side


class WholeBook(L2Book):
    """Put in order when somebody reads it, not with each message: most are replaced by the next one unread."""

    __slots__ = ("_asks", "_bids", "_unread")

    def __init__(self) -> None:
        self._unread: tuple[Sequence[Level], Sequence[Level]] | None = None
        super().__init__()

    def replace(
        self,
        bids: Sequence[Level],
        asks: Sequence[Level],
        bid_reach: float | None = None,
        ask_reach: float | None = None,
    ) -> None:
        """Start over from a message. It tells all that the channel shows, so a reach has no meaning here."""
        self._unread = bids, asks

    @property
    def bids(self) -> Side:
        """The bids of the last message."""
        self._read()
        return self._bids

    @bids.setter
    def bids(self, side: Side) -> None:
        self._bids = side

    @property
    def asks(self) -> Side:
        """The asks of the last message."""
        self._read()
        return self._asks

    @asks.setter
    def asks(self, side: Side) -> None:
        self._asks = side

    def _read(self) -> None:
        if self._unread is not None:
            bids, asks = self._unread
            self._unread = None
            self._bids.replace(bids, None)
            self._asks.replace(asks, None)
