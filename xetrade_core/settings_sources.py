"""Where settings are read from: variables of the environment, `.env`, `xetrade.toml`. What they may be is in
`settings.py`, which also says which of these wins.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, TomlConfigSettingsSource

from xetrade_core.errors import ConfigError
from xetrade_core.settings_trading import KEY_FIELDS

PREFIX = "XETRADE_"
NESTED = "__"
#: read by the tests, the supervisor and the settings loader itself, not settings of the product
OUTSIDE = frozenset(
    {
        "XETRADE_CONFIG",
        "XETRADE_KILL_SEEDS",
        "XETRADE_RECORDINGS",
        "XETRADE_SCREENSHOTS",
        "XETRADE_SUPERVISOR",
        "XETRADE_UPDATE_SNAPSHOTS",
    }
)


def config_file() -> Path:
    """The settings file that is read if it exists."""
    return Path(os.environ.get("XETRADE_CONFIG") or "xetrade.toml")


class _PlainOrJson:
    """A table or list in a variable may be JSON; what is not is left for the field's own check, which names it."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return json.loads(value)
        except ValueError:
            return value


class Environment(_PlainOrJson, EnvSettingsSource):
    """The environment."""


class DotEnv(_PlainOrJson, DotEnvSettingsSource):
    """`.env` of the working directory."""

    def __call__(self) -> dict[str, Any]:
        """Only what is ours: a `.env` often serves other programs too."""
        outside = {name.lower() for name in OUTSIDE}
        return {
            name: value
            for name, value in super().__call__().items()
            if name in self.settings_cls.model_fields or (name.startswith(PREFIX.lower()) and name not in outside)
        }


class Toml(TomlConfigSettingsSource):
    """`xetrade.toml`."""

    def __call__(self) -> dict[str, Any]:
        """The file, in which no account's key may stand. Raises ConfigError."""
        found = super().__call__()
        accounts = found.get("accounts")
        for name, account in accounts.items() if isinstance(accounts, dict) else ():
            for field in KEY_FIELDS if isinstance(account, dict) else ():
                if field in account:
                    variable = f"{PREFIX}ACCOUNTS{NESTED}{name.upper()}{NESTED}{field.upper()}"
                    raise ConfigError(
                        f"accounts.{name}.{field} stands in {config_file().name}: keys come from the environment only, "
                        f"set {variable} and delete it there"
                    )
        return found
