"""The `xetrade` command: thin. Each command reads its options, calls the core, and prints.

One module a command group; anything heavy is imported inside the command that needs it, so that `xetrade --help`
answers at once. With `--json` the result is one JSON document on standard output, and everything for people goes to
standard error.
"""
