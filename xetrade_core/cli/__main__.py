"""`python -m xetrade_core.cli`: the same as `xetrade`."""

from xetrade_core.cli.main import run

if __name__ == "__main__":
    run()
