"""Settings of one machine: environment `XETRADE_*`, then `.env`, then `xetrade.toml`, then the defaults here.

Nested settings join their names with two underscores: `XETRADE_S3__ENDPOINT_URL`, or `[s3] endpoint_url` in the file. A
wrong value is a `ConfigError` of one line that names the setting, the value (never a secret's) and what is allowed; an
unknown key in `xetrade.toml` or `.env` names the nearest one that exists. docs/settings.md is generated from here.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from xetrade_core.errors import ConfigError
from xetrade_core.settings_base import Section
from xetrade_core.settings_sections import (
    AlertSettings,
    BreakerSettings,
    CaptureSettings,
    LogSettings,
    MetricsSettings,
    PipelinesSettings,
    RateSettings,
    ReadSettings,
    S3Settings,
    VenueSettings,
)
from xetrade_core.settings_sources import NESTED, OUTSIDE, PREFIX, DotEnv, Environment, Toml, config_file
from xetrade_core.settings_trading import (
    ACCOUNT_NAME,
    SCOPE,
    AccountSettings,
    LimitSettings,
    MonitorSettings,
    TradingSettings,
)

#: tables whose keys are names: what stands for the name where settings are listed
NAMED = {"venues": "VENUE", "accounts": "ACCOUNT", "limits": "SCOPE"}
#: how alike an unknown variable and a known one are when it is taken for a typing error, not for another program's
TYPING_ERROR = 0.85


def _lake_root(value: str) -> str:
    scheme, found, rest = value.partition("://")
    if not value.strip() or (found and (scheme != "s3" or not rest.strip("/"))):
        raise ValueError("a directory, or s3://bucket/prefix")
    return value


def _named(pattern: re.Pattern[str], allowed: str) -> AfterValidator:
    """A table whose keys are names of that form."""

    def check(value: dict[str, Any]) -> dict[str, Any]:
        wrong = next((name for name in value if not pattern.fullmatch(name)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is no name here: {allowed}")
        return value

    return AfterValidator(check)


class Settings(BaseSettings):
    """All settings; `load_settings` makes them."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    lake: Annotated[str, AfterValidator(_lake_root)] = Field(
        default="./data/lake", description="the lake's root: a directory, or `s3://bucket/prefix`"
    )
    spool: Path = Field(
        default=Path("data/spool"), description="local directory of running captures and of what waits for the lake"
    )
    state: Path | None = Field(
        default=None,
        description="local directory of what this machine's processes share, such as rate budgets; `state` beside the "
        "spool where it is not set",
    )
    s3: S3Settings = S3Settings()
    capture: CaptureSettings = CaptureSettings()
    venues: dict[str, VenueSettings] = Field(default={}, description="per venue, by venue id")
    trading: TradingSettings = TradingSettings()
    accounts: Annotated[
        dict[str, AccountSettings], _named(ACCOUNT_NAME, "small letters, digits and single underscores, like main")
    ] = Field(default={}, description="per account, by its name here")
    limits: Annotated[
        dict[str, LimitSettings],
        _named(SCOPE, "portfolio, 'venue binance', 'account binance/main', 'strategy NAME', 'symbol binance BTC/USDT'"),
    ] = Field(default={}, description="per scope, named as denials name it")
    rates: RateSettings = RateSettings()
    reads: ReadSettings = ReadSettings()
    breakers: BreakerSettings = BreakerSettings()
    monitor: MonitorSettings = MonitorSettings()
    alerts: AlertSettings = AlertSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    pipelines: PipelinesSettings = PipelinesSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment, then `.env`, then `xetrade.toml` of the working directory (or of XETRADE_CONFIG)."""
        toml = Toml(settings_cls, config_file())
        return init_settings, Environment(settings_cls), DotEnv(settings_cls, env_file=Path(".env")), toml

    def venue(self, venue: str) -> VenueSettings:
        """The settings of one venue; defaults where there are none."""
        return self.venues.get(venue, VenueSettings())

    @property
    def state_directory(self) -> Path:
        """Where this machine's processes share what they know."""
        return self.state if self.state is not None else self.spool.parent / "state"

    def secrets(self) -> tuple[str, ...]:
        """Every secret value set, for the log's redaction."""
        return tuple(secret.get_secret_value() for secret in _secrets_in(self) if secret.get_secret_value())


def load_settings(**overrides: Any) -> Settings:
    """Read all sources. `overrides` (by top-level name) win over all. Raises ConfigError."""
    if "XETRADE_CONFIG" in os.environ and not config_file().is_file():
        raise ConfigError.of("XETRADE_CONFIG", str(config_file()), "name a settings file that exists")
    for name, nearest in unknown_variables(dict(os.environ)):
        if nearest is not None and difflib.SequenceMatcher(None, name.upper(), nearest).ratio() >= TYPING_ERROR:
            raise ConfigError(f"unknown setting {name} in the environment: did you mean {nearest}?")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigError(describe(error)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config_file()} is not TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"cannot read settings from {error.filename}: {error.strerror}") from None


def unknown_variables(environment: dict[str, str]) -> list[tuple[str, str | None]]:
    """XETRADE_ variables that no setting reads, each with the nearest name that is one."""
    known = [name.upper() for name, _ in environment_names()]
    found: list[tuple[str, str | None]] = []
    for name in sorted(environment):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in OUTSIDE:
            continue
        head = upper.split(NESTED)[0]
        if upper not in known and head not in {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}:
            found.append((name, next(iter(difflib.get_close_matches(upper, known, n=1, cutoff=0.5)), None)))
    return found


def environment_names() -> list[tuple[str, str]]:
    """(environment variable, dotted name) of every setting; `VENUE` stands for a venue id."""
    return [(PREFIX + path.replace(".", NESTED).upper(), path) for path, _, _ in walk_fields()]


def walk_fields() -> list[tuple[str, Any, Any]]:
    """(dotted name, pydantic field, its default) of every setting, in the order of the models."""
    rows: list[tuple[str, Any, Any]] = []
    for name, field in Settings.model_fields.items():
        section = _section(name)
        if section is not None:
            prefix = f"{name}.{NAMED[name]}" if name in NAMED else name
            rows += [(f"{prefix}.{key}", inner, inner.default) for key, inner in section.model_fields.items()]
        else:
            rows.append((name, field, field.default))
    return rows


def _section(name: str) -> type[Section] | None:
    """The model of a table of settings, or of each of its entries; None for a plain setting."""
    annotation = Settings.model_fields[name].annotation
    found = get_args(annotation)[1] if name in NAMED else annotation
    return found if isinstance(found, type) and issubclass(found, Section) else None


def describe(error: ValidationError) -> str:
    """Every problem of a validation error, in one line and without any secret's value."""
    return "; ".join(dict.fromkeys(_described(problem) for problem in error.errors(include_url=False)))


def _described(problem: ErrorDetails) -> str:
    path = [str(part) for part in problem["loc"]]
    name = ".".join(path)
    if problem["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        nearest = difflib.get_close_matches(path[-1].lower().removeprefix(PREFIX.lower()), known, n=1, cutoff=0.4)
        hint = f"did you mean {'.'.join([*path[:-1], nearest[0]])}?" if nearest else f"known: {', '.join(known)}"
        return f"unknown setting {name}: {hint}"
    allowed = problem["msg"].removeprefix("Value error, ")
    allowed = allowed[:1].lower() + allowed[1:]
    shown = repr(problem.get("input"))
    value = "(secret)" if _is_secret(path) or ("://" in shown and "@" in shown) else shown  # a URL's password
    variable = PREFIX + NESTED.join(path).upper()
    return f"{name} = {value} is not valid: {allowed} (set {variable}, or {name} in {config_file().name})"


def _keys_at(path: list[str]) -> list[str]:
    """The keys that exist in the table at `path`."""
    if not path:
        return list(Settings.model_fields)
    section = _section(path[0])
    return list(section.model_fields) if section is not None else []


def _is_secret(path: list[str]) -> bool:
    """Whether the value at `path` may be secret: the setting is one, or it is a whole table that could hold one."""
    named = [*path[:1], NAMED[path[0]], *path[2:]] if path and path[0] in NAMED else path
    dotted = ".".join(named)
    return any(
        "SecretStr" in str(field.annotation) and (name == dotted or name.startswith(f"{dotted}."))
        for name, field, _ in walk_fields()
    )


def _secrets_in(model: BaseModel) -> list[SecretStr]:
    found: list[SecretStr] = []
    for _, value in model:
        if isinstance(value, SecretStr):
            found.append(value)
        for inner in value.values() if isinstance(value, dict) else (value,):
            if isinstance(inner, BaseModel):
                found += _secrets_in(inner)
    return found
