"""Settings: who wins, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from xetrade_core.errors import ConfigError
from xetrade_core.settings import environment_names, load_settings, unknown_variables

CANARY = "canary-5f0c9e"


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("XETRADE_"):
            monkeypatch.delenv(name)


def refusal(**variables: str) -> str:
    """The one line that these variables are refused with."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(ConfigError) as raised:
            load_settings()
    line = str(raised.value)
    assert "\n" not in line
    return line


def test_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings.lake == "./data/lake"
    assert settings.spool == Path("data/spool")
    assert settings.capture.interval_s == 1.0
    assert settings.capture.depth == 100
    assert settings.venue("binance").rest_url is None


def test_environment_wins_over_dotenv_over_file_and_options_win_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("xetrade.toml").write_text('lake = "file"\n[capture]\ndepth = 10\ninterval_s = 2\nsegment_s = 30\n')
    Path(".env").write_text("XETRADE_LAKE=dotenv\nXETRADE_CAPTURE__DEPTH=20\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("XETRADE_LAKE", "environment")
    settings = load_settings()
    assert (settings.lake, settings.capture.depth, settings.capture.interval_s) == ("environment", 20, 2.0)
    assert load_settings(lake="option").lake == "option"


def test_a_venue_is_pointed_elsewhere_by_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XETRADE_VENUES__BINANCE__REST_URL", "http://127.0.0.1:7001/")
    monkeypatch.setenv("XETRADE_VENUES__BINANCE__WS_URL", "ws://127.0.0.1:7001/ws")
    monkeypatch.setenv("XETRADE_VENUES__OKX__SYMBOLS", "BTC/USDT, ETH/USDT")
    settings = load_settings()
    assert settings.venue("binance").rest_url == "http://127.0.0.1:7001"
    assert settings.venue("binance").ws_url == "ws://127.0.0.1:7001/ws"
    assert settings.venue("okx").symbols == ("BTC/USDT", "ETH/USDT")


def test_symbols_may_also_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XETRADE_VENUES__OKX__SYMBOLS", '["BTC/USDT"]')
    assert load_settings().venue("okx").symbols == ("BTC/USDT",)


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("XETRADE_CAPTURE__INTERVAL_S", "often", "capture.interval_s = 'often'"),
        ("XETRADE_CAPTURE__INTERVAL_S", "0", "greater than or equal to 0.05"),
        ("XETRADE_CAPTURE__DEPTH", "5001", "less than or equal to 5000"),
        ("XETRADE_CAPTURE", "all of it", "capture = 'all of it'"),
        ("XETRADE_VENUES__BINANCE__REST_URL", "ftp://x", "begins with http:// or https://"),
        ("XETRADE_VENUES__BINANCE__WS_URL", "http://x", "begins with ws:// or wss://"),
        ("XETRADE_LAKE", "gs://bucket", "a directory, or s3://bucket/prefix"),
        ("XETRADE_LAKE", "s3://", "a directory, or s3://bucket/prefix"),
        ("XETRADE_LOG__LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("XETRADE_S3__ENDPONT_URL", "http://x", "did you mean s3.endpoint_url?"),
        ("XETRADE_CONFIG", "/no/such/file.toml", "a settings file that exists"),
    ],
)
def test_a_wrong_value_is_one_line_with_field_value_and_what_is_allowed(variable: str, value: str, named: str) -> None:
    line = refusal(**{variable: value})
    assert named in line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("laek = '.'", "unknown setting laek: did you mean lake?"),
        ("[capture]\nintervall_s = 1", "unknown setting capture.intervall_s: did you mean capture.interval_s?"),
        ("[venues.okx]\nrest = 'http://x'", "unknown setting venues.okx.rest: did you mean venues.okx.rest_url?"),
        ("zzz = 1", "known: lake, spool"),
        ("[capture", "xetrade.toml is not TOML"),
    ],
)
def test_a_wrong_file_names_the_nearest_key(text: str, named: str) -> None:
    Path("xetrade.toml").write_text(text)
    assert named in refusal()


def test_a_wrong_line_in_dotenv_names_the_nearest_key() -> None:
    Path(".env").write_text("XETRADE_LAEK=x\n")
    assert "did you mean lake?" in refusal()


@pytest.mark.parametrize(
    "text",
    [
        f's3 = "{CANARY}"',
        f'[s3]\nsecret_access_key = ["{CANARY}"]',
        f'[alerts]\nwebhook_url = {{ url = "{CANARY}" }}',
        f'[venues.okx]\nrest_url = "htp://u:{CANARY}@host"',
        f'accounts = "{CANARY}"',
        f'[accounts]\nmain = "{CANARY}"',
    ],
)
def test_a_refusal_never_shows_a_secret(text: str) -> None:
    Path("xetrade.toml").write_text(text)
    assert CANARY not in refusal()


def test_printing_the_settings_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XETRADE_S3__SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("XETRADE_ALERTS__WEBHOOK_URL", f"http://127.0.0.1/{CANARY}")
    settings = load_settings()
    assert CANARY not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.secrets() == (CANARY, f"http://127.0.0.1/{CANARY}")


def test_the_key_of_an_account_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("xetrade.toml").write_text('[accounts.main]\nvenue = "binance,binanceusdm"\n')
    monkeypatch.setenv("XETRADE_ACCOUNTS__MAIN__API_KEY", f"{CANARY}-key")
    monkeypatch.setenv("XETRADE_ACCOUNTS__MAIN__SECRET", CANARY)
    settings = load_settings()
    account = settings.accounts["main"]
    assert account.venue == ("binance", "binanceusdm")
    assert account.secret is not None
    assert account.secret.get_secret_value() == CANARY
    assert CANARY not in repr(settings) + str(settings) + settings.model_dump_json()
    assert set(settings.secrets()) == {f"{CANARY}-key", CANARY}


@pytest.mark.parametrize("field", ["api_key", "secret", "passphrase"])
def test_the_key_of_an_account_is_refused_in_the_file(field: str) -> None:
    Path("xetrade.toml").write_text(f'[accounts.main]\n{field} = "{CANARY}"\n')
    line = refusal()
    assert line == (
        f"accounts.main.{field} stands in xetrade.toml: keys come from the environment only, set "
        f"XETRADE_ACCOUNTS__MAIN__{field.upper()} and delete it there"
    )


def test_the_order_stores_password_is_refused_in_its_url() -> None:
    line = refusal(XETRADE_TRADING__STORE=f"postgresql://user:{CANARY}@host/orders")
    assert CANARY not in line
    assert "give that as PGPASSWORD" in line


def test_a_mistyped_variable_is_found_with_the_nearest_name() -> None:
    environment = {
        "XETRADE_LAEK": "x",
        "XETRADE_LAKE": "x",
        "XETRADE_VENUES__OKX__WS_URL": "x",
        "XETRADE_RECORDINGS": "x",
        "PATH": "x",
    }
    assert unknown_variables(environment) == [("XETRADE_LAEK", "XETRADE_LAKE")]


def test_every_setting_has_a_variable_and_stands_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/settings.md").read_text()
    assert not [name for name, path in environment_names() if f"| `{path}` | `{name}` |" not in page]


def test_a_typing_error_in_the_environment_is_refused_and_strangers_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XETRADE_SOMEBODY_ELSES_THING", "1")
    load_settings()
    monkeypatch.setenv("XETRADE_LAKEE", "/elsewhere")
    with pytest.raises(
        ConfigError, match="unknown setting XETRADE_LAKEE in the environment: did you mean XETRADE_LAKE"
    ):
        load_settings()
