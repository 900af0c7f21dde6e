"""All definitions, assembled: what Dagster loads as `xetrade_pipelines.definitions`.

`build_defs` makes a *fresh* `Definitions` each time, so that tests and tools swap resources instead of patching.
Settings are read here once, for what must be known when definitions load: the lake's root, the spool, and whether
schedules and sensors start by themselves. https://docs.dagster.io/guides/build/projects-and-components
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from xetrade_core.settings import Settings
from xetrade_pipelines.accounting import assets as accounting_assets
from xetrade_pipelines.accounting import jobs as accounting_jobs
from xetrade_pipelines.accounting import schedules as accounting_schedules
from xetrade_pipelines.accounting.resources import AccountingResource
from xetrade_pipelines.funding import assets as funding_assets
from xetrade_pipelines.funding import jobs as funding_jobs
from xetrade_pipelines.funding import schedules as funding_schedules
from xetrade_pipelines.io_managers import LakeIOManager
from xetrade_pipelines.market_data.assets import ASSETS
from xetrade_pipelines.market_data.checks import window_covered
from xetrade_pipelines.market_data.jobs import JOBS
from xetrade_pipelines.market_data.ops import MEMORY
from xetrade_pipelines.market_data.schedules import schedules
from xetrade_pipelines.market_data.sensors import sensors
from xetrade_pipelines.quotes.assets import best_quotes
from xetrade_pipelines.quotes.jobs import make_best_quotes
from xetrade_pipelines.quotes.schedules import best_quotes_hourly
from xetrade_pipelines.reference import assets as reference_assets
from xetrade_pipelines.reference import jobs as reference_jobs
from xetrade_pipelines.reference import schedules as reference_schedules
from xetrade_pipelines.reference import sensors as reference_sensors
from xetrade_pipelines.resources import (
    AlertResource,
    CaptureResource,
    ClockResource,
    FundingResource,
    LakeResource,
    LakeS3Resource,
    ReferenceResource,
    SettingsResource,
)
from xetrade_pipelines.trading import assets as trading_assets
from xetrade_pipelines.trading import jobs as trading_jobs
from xetrade_pipelines.trading import schedules as trading_schedules
from xetrade_pipelines.trading import sensors as trading_sensors
from xetrade_pipelines.trading.resources import TradingResource


def default_resources(settings: Settings) -> dict[str, Any]:
    """The resources of a machine with these settings, by the names that functions ask for."""
    machine, clock = SettingsResource(), ClockResource()
    lake = LakeResource(root=settings.lake, s3=LakeS3Resource())
    return {
        "settings": machine,
        "clock": clock,
        "lake": lake,
        "capture": CaptureResource(spool_dir=str(settings.spool), settings=machine, clock=clock),
        "reference": ReferenceResource(settings=machine, clock=clock),
        "funding": FundingResource(settings=machine, clock=clock),
        "accounting": AccountingResource(settings=machine, clock=clock),
        "trading": TradingResource(settings=machine),
        "alerts": AlertResource(settings=machine),
        "io_manager": LakeIOManager(lake=lake),
        MEMORY: dg.mem_io_manager,
    }


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """A fresh `Definitions`; `resource_overrides` replace resources by name. Raises ConfigError."""
    settings = SettingsResource().load()
    autostart = settings.pipelines.autostart
    ticking = dg.DefaultScheduleStatus.RUNNING if autostart else dg.DefaultScheduleStatus.STOPPED
    watching = dg.DefaultSensorStatus.RUNNING if autostart else dg.DefaultSensorStatus.STOPPED
    return dg.Definitions(
        assets=[
            *ASSETS,
            *trading_assets.ASSETS,
            best_quotes,
            *reference_assets.ASSETS,
            *funding_assets.ASSETS,
            *accounting_assets.ASSETS,
        ],
        asset_checks=[window_covered],
        jobs=[
            *JOBS,
            make_best_quotes,
            *reference_jobs.JOBS,
            *funding_jobs.JOBS,
            *accounting_jobs.JOBS,
            *trading_jobs.JOBS,
        ],
        schedules=[
            *schedules(ticking),
            best_quotes_hourly(ticking),
            *reference_schedules.schedules(ticking),
            *funding_schedules.schedules(ticking),
            *accounting_schedules.schedules(ticking),
            *trading_schedules.schedules(ticking),
        ],
        sensors=[*sensors(watching), *reference_sensors.sensors(watching), *trading_sensors.sensors(watching)],
        resources={**default_resources(settings), **(resource_overrides or {})},
    )


defs = build_defs()
