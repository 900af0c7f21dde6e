"""What the venue says of an account, held against the order store: orders, trades, positions, balances.

`comparison` says what differs, without asking anybody; `reconciler` asks, looks again, repairs and halts.
"""
