"""Dagster only, and thin: every function body reads its partition and config, calls the core once, returns metadata.

What belongs here: definitions that Dagster loads. What does not: anything that knows a price, a file or a venue; that
is `xetrade_core`, which never imports dagster.
"""

import warnings

# What Dagster says at every start of what is used here on purpose: checks of one partition (without them the UI shows
# the check of a partition as "Not evaluated"), and a parameter that it gives to its own sensors.
for _message in (r".*partitions_def on an AssetCheckSpec.*", r".*`owners` of initializer `SensorDefinition.*"):
    warnings.filterwarnings("ignore", message=_message)
