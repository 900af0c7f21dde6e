"""The lake in S3, AWS's or any other's, through boto3 and conditional writes.

`create` is a PutObject with `If-None-Match: *`. When an answer is lost the put is tried again, and the 412 that our
own first try then causes is told from a real conflict by comparing the content. Bodies are signed or carry an MD5, so
the server refuses half of one. Clients from elsewhere (dagster-aws's S3Resource) may be handed in: retries here do
not lean on theirs.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import random
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as S3ConnectionError

from xetrade_core.errors import LakeConflict, LakeError, LakeUnavailable, ObjectNotFound
from xetrade_core.lake.store import ObjectInfo, S3Options, Source, check_key

T = TypeVar("T")

_BACKOFF_BASE_S = 0.1
_BACKOFF_CAP_S = 3.0
_BLOCK = 1 << 20
_BROKEN = (S3ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError, OSError)
_MISSING = ("NoSuchKey", "404", "NotFound")
_PASSING_CODES = (
    "ConditionalRequestConflict",
    "SlowDown",
    "RequestTimeout",
    "BadDigest",
    "IncompleteBody",
    "Throttling",
)


def make_client(options: S3Options) -> Any:
    """A boto3 S3 client with the `client_config`."""
    import boto3

    return boto3.session.Session().client(
        "s3",
        endpoint_url=options.endpoint_url,
        region_name=options.region,
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=options.secret_access_key,
        aws_session_token=options.session_token,
        verify=options.verify,
        config=client_config(options),
    )


def client_config(options: S3Options) -> Config:
    """How every client of the lake times out, retries, addresses and signs, whoever makes it.

    Checksums only where the API demands them: servers other than AWS's often know no CRC trailers.
    """
    return Config(
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        # Tried again by S3Store alone, which knows what may be repeated and how to read a lost answer.
        retries={"mode": "standard", "total_max_attempts": 1},
        s3={"addressing_style": options.addressing},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=16,
    )


class S3Store:
    """An `ObjectStore` below `s3://<bucket>/<prefix>`. Safe to use from several threads, as boto3 clients are."""

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str = "",
        *,
        max_attempts: int = S3Options().max_attempts,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._max_attempts = max_attempts
        self._sleep = sleep
        self._rng = rng or random.Random()

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def create(self, key: str, source: Source) -> None:
        if not self._put(key, source, IfNoneMatch="*") and not self._holds(key, source):
            raise LakeConflict(f"{self.uri}/{key} exists with other content; nothing was overwritten")

    def replace(self, key: str, source: Source, *, if_match: str | None = None) -> None:
        if if_match is None:
            self._put(key, source)
        elif not self._put(key, source, IfMatch=if_match) and not self._holds(key, source):
            raise LakeConflict(f"{self.uri}/{key} was changed by another writer; nothing was overwritten")

    def read(self, key: str) -> bytes:
        return self._call("read", key, lambda: cast("bytes", self._get(key)["Body"].read()))

    def open(self, key: str) -> BinaryIO:
        info = self.stat(key)
        if info is None:
            raise ObjectNotFound(f"cannot read {self.uri}/{key}: it does not exist")
        return cast("BinaryIO", io.BufferedReader(_RangeReader(self, info), 1 << 16))

    def stat(self, key: str) -> ObjectInfo | None:
        try:
            head = self._call("read", key, lambda: self._client.head_object(Bucket=self._bucket, Key=self._key(key)))
        except ObjectNotFound:
            return None
        return ObjectInfo(key, int(head["ContentLength"]), str(head["ETag"]))

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for page in self._pages(prefix):
            for item in page.get("Contents", ()):
                key = str(item["Key"]).removeprefix(self._prefix)
                if not key.endswith("/"):  # "directories" that some servers list
                    yield ObjectInfo(key, int(item["Size"]), str(item["ETag"]))

    def folders(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield str(item["Prefix"]).removeprefix(self._prefix + prefix).rstrip("/")

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectNotFound):
            self._call("delete", key, lambda: self._client.delete_object(Bucket=self._bucket, Key=self._key(key)))

    def check_writable(self) -> None:
        probe = f".xetrade/probe-{secrets.token_hex(8)}"
        try:
            self.create(probe, b"a")
            unheld: tuple[dict[str, str], ...] = ({"IfNoneMatch": "*"}, {"IfMatch": f'"{"0" * 32}"'})
            if any(self._put(probe, b"b", **condition) for condition in unheld):
                raise LakeError(
                    f"{self.uri} ignores conditional writes and would overwrite data; use another S3 server"
                )
        finally:
            with contextlib.suppress(LakeError):
                self.delete(probe)

    def read_range(self, key: str, start: int, length: int, etag: str) -> bytes:
        """`length` bytes from `start` of the object as it was at `etag`; `LakeConflict` where it changed meanwhile."""
        span = f"bytes={start}-{start + length - 1}"
        try:
            return self._call(
                "read", key, lambda: cast("bytes", self._get(key, Range=span, IfMatch=etag)["Body"].read())
            )
        except _PreconditionFailed:
            raise LakeConflict(f"{self.uri}/{key} was replaced while it was read: read it again") from None

    def _pages(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        where = {"Bucket": self._bucket, "Prefix": self._prefix + prefix, **options}
        while True:
            page = self._call("list", prefix, partial(self._client.list_objects_v2, **where))
            yield page
            if not page.get("IsTruncated"):
                return
            where["ContinuationToken"] = page["NextContinuationToken"]

    def _key(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _get(self, key: str, **conditions: Any) -> Any:
        return self._client.get_object(Bucket=self._bucket, Key=self._key(key), **conditions)

    def _put(self, key: str, source: Source, **conditions: str) -> bool:
        """Whether the object was written; False where the condition did not hold (412)."""
        digest, length = _md5(source)

        def attempt() -> bool:
            # A fresh body each time: a retried file must start at its beginning again.
            with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as body:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._key(key),
                    Body=body,
                    ContentLength=length,
                    ContentMD5=digest,
                    **conditions,
                )
            return True

        try:
            return self._call("write", key, attempt)
        except ObjectNotFound:
            if "IfMatch" in conditions:  # the object to be replaced was deleted
                return False
            raise
        except _PreconditionFailed:
            return False

    def _holds(self, key: str, source: Source) -> bool:
        """Whether the object's content is `source`."""
        info = self.stat(key)
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if info is None or info.size != size:
            return False
        stored = hashlib.sha256(self.read(key)).digest()
        return stored == (hashlib.sha256(source).digest() if isinstance(source, bytes) else _sha256(source))

    def _call(self, verb: str, key: str, operation: Callable[[], T]) -> T:
        """`operation`, tried again with capped exponential backoff and full jitter while the failure may pass."""
        for attempt in range(1, self._max_attempts + 1):
            try:
                return operation()
            except (BotoCoreError, ClientError, OSError) as error:
                failure, may_pass = self._explain(verb, key, error)
                if not may_pass or attempt == self._max_attempts:
                    raise failure from None  # boto3's own error may quote signed headers
            self._sleep(self._rng.uniform(0, min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2**attempt)))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _explain(self, verb: str, key: str, error: BotoCoreError | ClientError | OSError) -> tuple[LakeError, bool]:
        """Our error for boto3's, and whether trying again can help."""
        what = f"cannot {verb} {self.uri}/{key}"
        if isinstance(error, ClientError):
            return self._explain_answer(what, error)
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return LakeUnavailable(f"{what}: no S3 credentials; set the access key id and secret access key"), False
        if isinstance(error, _BROKEN):
            where = self._client.meta.endpoint_url
            return LakeUnavailable(f"{what}: {type(error).__name__}; is {where} up and reachable?"), True
        return LakeError(f"{what}: {_one_line(str(error))}"), False

    def _explain_answer(self, what: str, error: ClientError) -> tuple[LakeError, bool]:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if status == 412 or code == "PreconditionFailed":
            return _PreconditionFailed(what), False
        if code in _MISSING:
            return ObjectNotFound(f"{what}: it does not exist"), False
        detail = f"{what}: the store answered {status} {code}"
        if status == 501:
            return LakeError(f"{detail}; it lacks a function the lake needs (conditional writes)"), False
        if status >= 500 or status in (408, 409, 429) or code in _PASSING_CODES:
            return LakeUnavailable(f"{detail}; try again later"), True
        if status in (401, 403):
            return LakeUnavailable(f"{detail}; check the access key, its permissions and this machine's clock"), False
        if code == "NoSuchBucket":
            return LakeUnavailable(f"{detail}; create the bucket {self._bucket} first"), False
        return LakeError(f"{detail} {_one_line(str(error.response.get('Error', {}).get('Message', '')))}"), False


class _PreconditionFailed(LakeError):
    """412: the condition of a conditional request did not hold."""


class _RangeReader(io.RawIOBase):
    """One version of an object as a seekable file; each read is one ranged GET."""

    def __init__(self, store: S3Store, info: ObjectInfo) -> None:
        self._store = store
        self._info = info
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._info.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._info.size - self._position)
        if wanted <= 0:
            return 0
        data = self._store.read_range(self._info.key, self._position, wanted, self._info.etag)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _md5(source: Source) -> tuple[str, int]:
    """Base64 MD5 and length. Not for security: it lets any S3 refuse a body that was damaged on its way."""
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(source, bytes):
        digest.update(source)
        return base64.b64encode(digest.digest()).decode(), len(source)
    length = 0
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            length += len(block)
    return base64.b64encode(digest.digest()).decode(), length


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
