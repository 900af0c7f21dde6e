"""Accounting: fills and funding to positions and to profit and loss. Pure: no I/O, no clock, no settings.

`Position` is one position of one instrument; `payout` says what a contract of it pays; `lots` which entries a close
releases; `margin` what is measured against collateral; `conversion` what it is worth in another currency; `written`
reads cases from JSON for `xetrade pnl`. Formulas and their sources stand in docs/positions.md.
"""
