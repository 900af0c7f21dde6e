"""Resources: the lake, the capture spool, the settings, the clock and the alert webhook, as Dagster hands them to functions.

What belongs here: how to *reach* something, as configuration that may be shown in the UI. What does not: secrets. Access
keys and webhook URLs stay in the settings (`xetrade_core.settings`) and are read on the machine that uses them, when it
uses them, so that they are in no run config, no event and no instance database.
https://docs.dagster.io/guides/build/external-resources
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource

from xetrade_core.capture.config import CaptureConfig
from xetrade_core.capture.session import CaptureSession
from xetrade_core.clock import SystemClock
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.settings import Settings, load_settings
from xetrade_core.telemetry import Webhook, redact_text, register_secrets
from xetrade_pipelines.market_data.plan import symbols_of


class ClockResource(dg.ConfigurableResource[None]):
    """The wall clock, so that tests own the time of a sensor."""

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        return SystemClock.wall_ns()


class SettingsResource(dg.ConfigurableResource[None]):
    """The settings of the machine that runs the code; read anew each time, never stored by Dagster."""

    def load(self) -> Settings:
        """All settings, with their secrets registered for redaction. Raises ConfigError."""
        settings = load_settings()
        register_secrets(settings.secrets())
        return settings


class LakeS3Resource(S3Resource):
    """dagster-aws's S3 resource, with endpoint, region and keys from the settings at the moment a client is made."""

    def get_client(self) -> Any:
        s3 = load_settings().s3
        return S3Resource(
            endpoint_url=s3.endpoint_url,
            region_name=s3.region,
            max_attempts=self.max_attempts,
            aws_access_key_id=s3.access_key_id.get_secret_value() if s3.access_key_id else None,
            aws_secret_access_key=s3.secret_access_key.get_secret_value() if s3.secret_access_key else None,
        ).get_client()


class LakeResource(dg.ConfigurableResource[None]):
    """The lake at `root`, a directory or `s3://bucket/prefix`; `s3` is asked for a client only where it is an S3."""

    root: str
    s3: dg.ResourceDependency[S3Resource]

    def store(self) -> ObjectStore:
        """The lake's objects; touches nothing yet."""
        return open_store(self.root, s3_client=self.s3.get_client() if self.root.startswith("s3://") else None)


class AlertResource(dg.ConfigurableResource[None]):
    """The webhook of the settings (alerts.webhook_url), if there is one."""

    settings: dg.ResourceDependency[SettingsResource]

    def run_failed(self, job: str, run_id: str, window: str, reason: str) -> bool:
        """Tell the webhook that a run failed; False where there is none or it did not take it. Raises nothing for that."""
        url = self.settings.load().alerts.webhook_url
        facts = {"job": job, "run_id": run_id, "window": window}
        body = {"alarm": "run_failed", "message": redact_text(f"{job} failed: {reason}"), "facts": facts}
        return url is not None and Webhook(url).deliver(body)
