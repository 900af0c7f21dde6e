"""Where the lake's objects live: one small interface over a local directory and over any S3.

The three writes are all the lake needs. `create` never overwrites, `replace` is atomic, and `replace(..., if_match=)`
is a compare-and-swap, so that two compactions of one hour cannot undo each other's work. A reader never sees half an
object.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol
from urllib.parse import urlsplit

from xetrade_core.errors import ConfigError

Source = bytes | Path
"""What is written: the bytes themselves, or a local file that nobody changes meanwhile."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object: its key below the store's root, its size in bytes, and a tag that changes whenever its content
    does.
    """

    key: str
    size: int
    etag: str


class ObjectStore(Protocol):
    """Objects by key. Keys are relative, `/`-separated; see `check_key`.

    Every method raises `LakeUnavailable` where the store does not answer or refuses (try later), `LakeError` where it
    can never work, and the local store `StorageFull`. No message holds a credential.
    """

    @property
    def uri(self) -> str:
        """`/dir/lake` or `s3://bucket/prefix`, for messages and lineage."""
        ...

    def create(self, key: str, source: Source) -> None:
        """Write a new object. Silent where it exists with the same content; `LakeConflict` where with other content."""
        ...

    def replace(self, key: str, source: Source, *, if_match: str | None = None) -> None:
        """Write atomically over what is there. With `if_match`, only where the object still has that etag, else
        `LakeConflict`.
        """
        ...

    def read(self, key: str) -> bytes:
        """The whole object; `ObjectNotFound` where there is none."""
        ...

    def open(self, key: str) -> BinaryIO:
        """The object as a seekable file that fetches only what is read; `ObjectNotFound` where there is none. Reading
        raises `LakeConflict` where the object was replaced since.
        """
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """Size and etag, or None where there is no such object."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`, sorted by key."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """The names that follow `prefix` (which ends in `/`) before the next `/`, sorted, each once."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; silent where there is none."""
        ...

    def check_writable(self) -> None:
        """Prove with a probe object that writing works and that conditional writes are honoured; raises what is
        wrong.
        """
        ...


@dataclass(frozen=True, slots=True)
class S3Options:
    """How to reach an S3. What is None comes from boto3's usual places (environment, shared files, instance role).

    `endpoint_url` None means AWS. `max_attempts` counts the first try. Keys never appear in `repr` or in messages.
    """

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    addressing: Literal["path", "virtual", "auto"] = "path"
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    max_attempts: int = 4
    verify: bool | str = True

    def __post_init__(self) -> None:
        if self.endpoint_url is not None:
            parts = urlsplit(self.endpoint_url)
            if "@" in parts.netloc:  # not shown: it holds a password
                raise ConfigError(
                    "the S3 endpoint URL holds a user name: give the keys as access_key_id and secret_access_key"
                )
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConfigError.of("endpoint_url", self.endpoint_url, "give a URL like https://s3.example.com")
        if self.addressing not in ("path", "virtual", "auto"):
            raise ConfigError.of("addressing", self.addressing, "give path, virtual or auto")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ConfigError("an S3 access key id and secret access key go together: give both or neither")
        if self.max_attempts < 1:
            raise ConfigError.of("max_attempts", self.max_attempts, "give 1 or more")


_KEY = re.compile(r"[\w.=+-]+(/[\w.=+-]+)*")


def is_key(key: str) -> bool:
    """Whether it is safe as a path and as a URL."""
    return _KEY.fullmatch(key) is not None and not any(part in (".", "..") for part in key.split("/"))


def check_key(key: str) -> str:
    """The key itself if it is safe as a path and as a URL, `ConfigError` otherwise."""
    if not is_key(key):
        raise ConfigError.of("key", key, "parts of letters, digits and . _ = + - joined by single /")
    return key


def open_store(root: str | os.PathLike[str], s3: S3Options | None = None, *, s3_client: Any = None) -> ObjectStore:
    """The store at `root`: a directory (made at the first write) or `s3://bucket[/prefix]`.

    `s3` says how to reach the S3; `s3_client` is a ready boto3 client to use instead of making one. Touches nothing
    yet.
    """
    text = os.fspath(root)
    if text.startswith("s3://"):
        from xetrade_core.lake.s3_store import S3Store, make_client

        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if not bucket:
            raise ConfigError.of("lake", text, "give a directory or s3://bucket/prefix")
        options = s3 or S3Options()
        client = s3_client if s3_client is not None else make_client(options)
        return S3Store(client, bucket, prefix.strip("/"), max_attempts=options.max_attempts)
    if "://" in text or not text:
        raise ConfigError.of("lake", text, "give a directory or s3://bucket/prefix")
    from xetrade_core.lake.local_store import LocalStore

    return LocalStore(Path(text))
