"""Private streams: what the venues tell of an account's orders and trades as it happens, without a hole.

`PrivateStream` keeps a connection alive and asks over REST for whatever a gap may have swallowed; a venue is one class
that says how its stream is opened and read (`StreamWords`).
"""

from xetrade_core.execution.streams.opening import open_stream, streamed_venues
from xetrade_core.execution.streams.stream import PrivateStream, StreamState
from xetrade_core.execution.streams.words import Statement, StreamOver, StreamRefused, StreamWords

__all__ = [
    "PrivateStream",
    "Statement",
    "StreamOver",
    "StreamRefused",
    "StreamState",
    "StreamWords",
    "open_stream",
    "streamed_venues",
]
