"""Clients of the venues' private sides: orders, trades, balances and positions of one account.

They are what `trading.execution.Execution` asks for, over unmodified ccxt or a client of our own. A call is made once,
within the venue's budget, and ends as a reply that was read from the venue's own words or as one of three errors: it
certainly was not sent, the venue refused it, or nobody knows.
"""
