"""Simulated venues: a matching engine and a market generator behind the real venues' wire protocols, on loopback.

    async with SimServer(SimConfig()) as sim:            # in this process
        sim.url("binance").rest, sim.url("okx").ws, sim.admin_url
    run_sim(load_config(path))                           # blocking, until SIGINT or SIGTERM
    python -m xetrade_core.simvenue --config scenario.toml --port-file ports.json
    ccxt.pro.binance(ccxt_config("binance", sim))        # an unmodified ccxt class against it

`Simulation` is the same without sockets. See docs/simulated-venues.md.
"""

from xetrade_core.simvenue.ccxt_urls import ccxt_config
from xetrade_core.simvenue.config import RecordingConfig, SimConfig, VenueConfig, load_config
from xetrade_core.simvenue.faults import Fault, Injection
from xetrade_core.simvenue.run import run_sim, serve
from xetrade_core.simvenue.server import SimServer, VenueUrl
from xetrade_core.simvenue.simulation import Simulation

__all__ = [
    "Fault",
    "Injection",
    "RecordingConfig",
    "SimConfig",
    "SimServer",
    "Simulation",
    "VenueConfig",
    "VenueUrl",
    "ccxt_config",
    "load_config",
    "run_sim",
    "serve",
]
