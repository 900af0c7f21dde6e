"""Are the documents true? Generated pages are current, links resolve, named commands exist: `python -m docs.check`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from docs.generate import outdated

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```[^\n]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
COMMAND = re.compile(
    r"(?:^|[\s(|;&])(?:\.venv/bin/)?xetrade ((?:[a-z][a-z0-9-]*|--[a-z-]+|\S+)(?:[ \t]+\S+)*)", re.MULTILINE
)
TARGET = re.compile(r"(?:^|\s)make ((?:[a-z][a-z-]*)(?:\s+[a-z][a-z-]*)*)", re.MULTILINE)
OPTION = re.compile(r"(?<!\S)(--[a-z][a-z-]*)")


def documents() -> list[Path]:
    """Every page that people read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_of(text: str) -> Iterator[str]:
    """The code blocks and the inline code of a page; continued lines are joined."""
    for block, inline in CODE.findall(text):
        yield (block or inline).replace("\\\n", " ")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+\s+(.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    """Links of the page to files or headings that are not there; other hosts are not asked."""
    for target in LINK.findall(page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            yield f"link to {target}: no such file"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            yield f"link to {target}: no such heading"


def command_options() -> dict[tuple[str, ...], set[str]]:
    """Every command of `xetrade`, by its words, with the options it takes; groups are among them."""
    import typer

    from xetrade_core.cli.main import app

    found: dict[tuple[str, ...], set[str]] = {}

    def walk(command: object, words: tuple[str, ...]) -> None:
        options = {
            name for parameter in getattr(command, "params", ()) for name in parameter.opts + parameter.secondary_opts
        }
        found[words] = options | {"--help", "--debug"}
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def unknown_commands(text: str, commands: dict[tuple[str, ...], set[str]], targets: set[str]) -> Iterator[str]:
    """`xetrade` commands, their options and `make` targets in the page's code that do not exist."""
    for code in code_of(text):
        for line in COMMAND.findall(code):
            words: tuple[str, ...] = ()
            for word in line.split():
                if (*words, word) not in commands:
                    break
                words = (*words, word)
            first = line.split()[0]
            if not words and first not in commands[()]:
                yield f"`xetrade {first}`: no such command"
            else:
                command_line = re.split(r"[|;&#`]", line)[0]
                for option in set(OPTION.findall(command_line)) - commands[words]:
                    yield f"`xetrade {' '.join(words)}` has no option {option}"
        for line in TARGET.findall(code):
            yield from (f"`make {word}`: no such target" for word in line.split() if word not in targets)


def main() -> int:
    problems = [f"docs/{name} is not current: run `make docs`" for name in outdated()]
    commands = command_options()
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in documents():
        name = page.relative_to(ROOT)
        problems += [f"{name}: {problem}" for problem in broken_links(page)]
        problems += [f"{name}: {problem}" for problem in unknown_commands(page.read_text(), commands, targets)]
    for problem in problems:
        sys.stderr.write(problem + "\n")
    if not problems:
        sys.stdout.write(
            f"{len(documents())} documents: generated pages current, links resolve, named commands exist\n"
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
