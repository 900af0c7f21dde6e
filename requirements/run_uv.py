"""Run uv with the machine's own pip configuration: `python requirements/run_uv.py pip sync ...`.

uv does not read pip's configuration files. Whoever set up this machine (a mirror, a local wheel folder, a company
certificate) said so to pip, so that is passed on; a UV_* variable that is set already wins. Every package is checked
against the hashes of the lock, which makes it safe to take it from whichever index has it (`unsafe-best-match`, pip's
own rule).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: pip's option -> uv's environment variable (both take several values separated by spaces unless noted)
PASSED_ON = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "no-index": "UV_NO_INDEX",
}


def pip_configuration() -> dict[str, str]:
    """What pip would use: its files and its environment, by option name; the environment wins, as in pip."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    options: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section == ":env:" or option not in options:
            options[option] = " ".join(value.strip("'\"").replace("\\n", " ").split())
    return options


def uv_environment() -> dict[str, str]:
    """The process environment plus what pip knows and uv does not."""
    environment = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_NO_PROGRESS": "1"} | os.environ
    for option, value in pip_configuration().items():
        variable = PASSED_ON.get(option)
        if variable and value and variable not in environment:
            environment[variable] = value.replace(" ", ",") if variable == "UV_FIND_LINKS" else value
    return environment


if __name__ == "__main__":
    uv = Path(sys.executable).with_name("uv")
    os.execve(uv, [str(uv), *sys.argv[1:]], uv_environment())
