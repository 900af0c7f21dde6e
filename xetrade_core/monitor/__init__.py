"""Positions watched: the order store's fills, accounted for, at the venues' marks.

`ledger` follows the store, `view` is what is shown of a position, `watch` brings both together in time, `limits` says
what is alarming. It stands above trading and market data, which know nothing of each other.
"""
