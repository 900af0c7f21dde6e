"""Every command explains itself, and every mistake is one line on standard error with exit code 2."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.check import command_options
from tests.cli.conftest import Ran, clean_environment
from tests.house.test_arrows import HEAVY

COMMANDS = sorted(command_options())
Run = Callable[..., Ran]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "xetrade")
def test_every_command_has_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    from xetrade_core.cli.main import main

    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: ")
    assert len(shown.splitlines()) > 4


@pytest.mark.parametrize(
    "words",
    [
        ("sim",),
        ("up",),
        ("capture", "start"),
        ("replay",),
        ("compact",),
        ("quality",),
        ("best",),
        ("l2",),
        ("impact",),
        ("pnl",),
        ("place",),
        ("cancel",),
        ("amend",),
        ("status",),
        ("orders",),
        ("orders", "resume"),
        ("arm",),
        ("halt",),
        ("position",),
        ("monitor",),
        ("lake", "query"),
        ("map",),
        ("symbols", "diff"),
        ("venues",),
    ],
)
def test_a_command_with_options_to_combine_shows_examples(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from docs.check import unknown_commands
    from xetrade_core.cli.main import main

    main([*words, "--help"])
    examples = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  xetrade ")]
    assert examples
    assert not list(unknown_commands("```\n" + "\n".join(examples) + "\n```", command_options(), set()))


def test_the_help_lists_every_command_once_under_a_heading_and_cuts_none_short(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from xetrade_core.cli.main import SECTIONS, main

    main(["--help"])
    lines = capsys.readouterr().out.partition("Start:\n")[2].splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert listed == [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(words[0] for words in COMMANDS if len(words) == 1)
    assert [line.rstrip(":") for line in lines if line.endswith(":")] == list(SECTIONS)[1:]
    assert not [line for line in lines if line.endswith("...")]


@pytest.mark.parametrize(
    "words", [(), ("capture",), ("lake",), ("symbols",)], ids=lambda words: " ".join(words) or "xetrade"
)
def test_a_group_without_a_command_is_its_help_on_standard_error(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from xetrade_core.cli.main import main

    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert main(words) == 2
    alone = capsys.readouterr()
    assert (alone.out, alone.err) == ("", shown)


def test_the_shell_completes_commands_and_venues() -> None:
    def offered(line: str) -> list[str]:
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_XETRADE_COMPLETE": "complete_bash"}
        program = Path(sys.executable).with_name("xetrade")  # what the shell completes is named so
        ran = subprocess.run([program], check=True, capture_output=True, text=True, env=clean_environment(**asked))
        return ran.stdout.split()

    assert sorted(offered("xetrade reco")) == ["reconcile", "recover"]
    assert offered("xetrade place --venue binancec") == ["binancecoinm"]


@pytest.mark.parametrize("words", [words for words in COMMANDS if words])
def test_every_command_that_answers_can_answer_in_json(words: tuple[str, ...]) -> None:
    """Groups, and commands that run until they are stopped and print only progress, have nothing to answer."""
    options = command_options()
    is_group = any(other[: len(words)] == words and other != words for other in options)
    assert is_group or words in {("up",), ("demo",)} or "--json" in options[words]


def test_help_waits_for_no_heavy_library() -> None:
    program = f"""if True:
        import sys
        from xetrade_core.cli.main import main
        main(["--help"])
        print("heavy:", *sorted({HEAVY!r} & set(sys.modules)))
    """
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=clean_environment()
    )
    assert ran.stdout.startswith("Usage: ")
    assert ran.stdout.splitlines()[-1].split() == ["heavy:"]


def test_the_version_is_that_of_the_package(xetrade: Run) -> None:
    from importlib.metadata import version

    assert xetrade("--version").out.split() == ["xetrade", version("xetrade")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["sim", "--nonsense"], "No such option: --nonsense"),
        (["sim", "--venues", "nasdaq"], "one of binance, binanceusdm"),
        (["sim", "--symbols", "0"], "--symbols = '0' is not valid: a number from 1 to 1000, or names"),
        (["sim", "--symbols", "100000"], "--symbols = '100000' is not valid: a number from 1 to 1000, or names"),
        (["sim", "--scenario", "none.toml"], "none.toml"),
        (["up"], "there is no dagster.yaml here"),
        (["best", "--pair", " ", "--venues", "okx"], "--pair = ' ' is not valid: a pair such as BTC-USDT"),
        (["orders", "follow", "--reconcile", "often"], "--reconcile = 'often' is not valid: start, never, a time such"),
    ],
)
def test_a_mistake_is_one_line(answer: Run, arguments: list[str], says: str) -> None:
    ran = answer(*arguments)
    assert ran.code == 2
    assert says in ran.error
    assert ran.out == ""


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"XETRADE_CAPTURE__DEPTH": "deep"}, "capture.depth = 'deep'"),
        ({"XETRADE_VENUES__BINANC__REST_URL": "http://127.0.0.1:1"}, "did you mean venues.binance?"),
        ({"XETRADE_CONFIG": "nowhere.toml"}, "nowhere.toml"),
    ],
)
def test_bad_settings_are_one_line(answer: Run, variables: dict[str, str], says: str) -> None:
    ran = answer("doctor", **variables)
    assert ran.code == 2
    assert says in ran.error


def test_an_error_is_json_too_when_json_is_asked_for(answer: Run) -> None:
    ran = answer("doctor", "--json", XETRADE_CAPTURE__DEPTH="deep")
    assert ran.code == 2
    assert ran.json == {"error": ran.error.removeprefix("error: ")}
    assert "--csv and --json exclude each other" in answer("lake", "query", "SELECT 1", "--csv", "--json").error


def test_the_unexpected_is_one_line_and_exit_code_1_with_a_traceback_only_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import xetrade_core.settings
    from xetrade_core.cli.main import main

    def fail(**_: object) -> None:
        raise RuntimeError("a bug\nof two lines")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(xetrade_core.settings, "load_settings", fail)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == (
        "error: unexpected RuntimeError: a bug of two lines (add --debug for the traceback)\n"
    )
    assert main(["doctor", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_command_whose_streams_are_closed_does_its_work_and_ends_as_with_them(tmp_path: Path) -> None:
    book = tmp_path / "book.json"
    book.write_text('{"bids": [["1", "1"]], "asks": [["2", "1"]]}')
    words = [sys.executable, "-m", "xetrade_core.cli", "impact", "--book", str(book), "--side", "buy", "--base", "1"]
    closed = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *words]
    assert subprocess.run(closed, check=False, env=clean_environment()).returncode == 0


def test_a_command_that_is_interrupted_says_so(answer: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Path) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "read_bytes", interrupted)
    ran = answer("pnl", str(tmp_path / "fills.json"), "--json")
    assert (ran.code, ran.json, ran.error) == (130, {"error": "interrupted"}, "error: interrupted")
