"""The write-ahead log: one Arrow IPC stream a venue and segment, and a reader that survives a torn or garbled tail.

After each batch comes a *seal*: an empty batch whose metadata holds the CRC-32 of all bytes since the seal before. A
batch counts only with its seal, so half a batch, or one whose bytes have changed, ends the log there; everything
before it stands. The file remains an ordinary IPC stream that any Arrow reads (the seals add no rows).
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

_CRC = "xetrade.crc32"


class _Chunks:
    """A file-like sink that keeps what Arrow writes until it is taken."""

    closed = False
    mode = "wb"

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._position = 0

    def write(self, data: bytes | memoryview) -> int:
        self._chunks.append(bytes(data))
        self._position += len(self._chunks[-1])
        return len(self._chunks[-1])

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing to flush."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data


class WalFile:
    """One log being written.

    `append` writes, `sync` makes durable; both raise OSError and then leave whole batches only.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._sink = _Chunks()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, mode="w"), schema)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._length = 0
        self._unwritten = b""

    @property
    def waiting(self) -> bool:
        """Whether an append failed and was not yet made good by `retry`."""
        return bool(self._unwritten)

    def append(self, batch: pa.RecordBatch) -> None:
        """Write one batch and its seal.

        On OSError the file is cut back to the batch before and `retry` may be called.
        """
        self._writer.write_batch(batch)
        body = self._sink.take()
        self._writer.write_batch(batch.slice(0, 0), custom_metadata={_CRC: str(zlib.crc32(body))})
        self._unwritten = body + self._sink.take()
        self.retry()
        self.rows += batch.num_rows

    def retry(self) -> None:
        """Write again what a failed `append` could not."""
        data = self._unwritten
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            os.ftruncate(self._file, self._length)
            os.lseek(self._file, self._length, os.SEEK_SET)
            raise
        self._length += len(data)
        self._unwritten = b""

    def sync(self) -> None:
        """Everything appended survives a power cut once this returns."""
        os.fsync(self._file)

    def close(self) -> None:
        """Release the file; without an end-of-stream mark, which a reader of ours does not need."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class WalContent:
    """What a log holds. `torn_bytes` at its end belong to no sealed batch and were left out."""

    table: pa.Table
    batches: int
    torn_bytes: int


def read_wal(path: Path, schema: pa.Schema) -> WalContent:
    """All sealed batches of the log, in order; an empty or wholly garbled file has none. Raises OSError."""
    data = path.read_bytes()
    source = pa.BufferReader(data)
    batches: list[pa.RecordBatch] = []
    waiting: list[pa.RecordBatch] = []
    good = 0
    try:
        reader = pa.ipc.open_stream(source)
        if reader.schema.names != schema.names:
            return WalContent(schema.empty_table(), 0, len(data))
        before_seal = 0
        while True:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
            crc = None if metadata is None else metadata.get(_CRC.encode())
            if crc is None:
                waiting.append(batch)
                before_seal = source.tell()
                continue
            if int(crc) != zlib.crc32(memoryview(data)[good:before_seal]):
                break
            batches += waiting
            waiting.clear()
            good = source.tell()
    except (StopIteration, pa.ArrowException, OSError, ValueError):
        pass  # the tail is torn or garbled: what is sealed before it is all there is
    return WalContent(pa.Table.from_batches(batches, schema), len(batches), len(data) - good)
