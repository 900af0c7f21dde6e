"""What a run is refused for: a line that names field, value and what is allowed, as on the command line; no traceback.

What belongs here: nothing that one area alone knows; the fields stand beside the ops and assets that read them.
https://docs.dagster.io/guides/operate/configuration/run-configuration
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these classes as objects.
import contextlib
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import ValidationError

from xetrade_core.errors import XETradeError


class RunConfig(dg.Config):
    """A run's config. What is out of its bounds fails the run with a line."""

    def __init__(self, **config: Any) -> None:
        try:
            super().__init__(**config)
        except ValidationError as error:
            said = (
                f"{'.'.join(map(str, one['loc']))} = {one['input']!r} is not valid: {one['msg'].lower()}"
                for one in error.errors(include_url=False)
            )
            raise dg.Failure("; ".join(said), allow_retries=False) from None


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """What the core refuses fails the run with its line."""
    try:
        yield
    except XETradeError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
