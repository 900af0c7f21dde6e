"""`python -m xetrade_core.simvenue`: see `run.main`."""

import sys

from xetrade_core.simvenue.run import main

if __name__ == "__main__":
    sys.exit(main())
