"""What a refused call of an unmodified ccxt says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def refused_with(call: Callable[[], Any], *quoted: str) -> None:
    """The call fails with an error of ccxt's that quotes the venue's own reply; spaces do not count."""
    import ccxt

    with pytest.raises(ccxt.BaseError) as caught:
        call()
    said = str(caught.value).replace(" ", "")
    for words in quoted:
        assert words.replace(" ", "") in said
