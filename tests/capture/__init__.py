"""Capture: sampler, logs, ledger, session, recovery, replay."""
