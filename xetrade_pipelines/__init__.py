"""Dagster only, and thin: every function body reads its partition and config, calls the core once, returns metadata.

What belongs here: definitions that Dagster loads. What does not: anything that knows a price, a file or a venue; that
is `xetrade_core`, which never imports dagster.
"""
