"""An optional accelerator: messages of Binance, OKX and Bybit by code that numba compiles, to the same books.

The typed decoder and the dict books stay the reference. Compiled code takes only what is to the letter the message that
must come next and leaves everything else to them, so it never decides what is valid. Nothing below this module is
imported before `load`, since numba takes most of a second and a hundred megabytes.
"""

from __future__ import annotations

from importlib.util import find_spec

from xetrade_core.errors import ConfigError


def available() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None


def load() -> bool:
    """Load the compiled code; whether it had to be compiled first (ten seconds, once a machine and version).

    Raises ConfigError where that is not possible: numba is not installed, or has nowhere to keep what it compiles.
    """
    try:
        from xetrade_core.books.fast import kernels
    except (ImportError, RuntimeError) as error:
        reason = "needs numba (pip install 'xetrade[fast]')" if isinstance(error, ImportError) else str(error)
        raise ConfigError(f"compiled code cannot be used: it {reason}; leave `accelerate` out") from None
    return kernels.compiled_now()
