"""A run over several venues: one that does not answer stops no other, and fails the run at its end.

What belongs here: how errors on purpose become one failure of the run. What is done for a venue is the caller's.
https://docs.dagster.io/guides/build/ops
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import dagster as dg

from xetrade_core.errors import XETradeError


@contextlib.contextmanager
def failures_at_the_end() -> Iterator[Callable[[str], AbstractContextManager[None]]]:
    """Gives a context manager by name that keeps an error on purpose for later; raises dg.Failure naming them all."""
    failed: dict[str, str] = {}

    @contextlib.contextmanager
    def each(name: str) -> Iterator[None]:
        try:
            yield
        except XETradeError as error:
            failed[name] = str(error)

    yield each
    if failed:
        said = "; ".join(f"{name}: {problem}" for name, problem in failed.items())
        raise dg.Failure(f"not done: {said}", allow_retries=False)
