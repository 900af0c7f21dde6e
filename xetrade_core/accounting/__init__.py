"""The books of the desk in the lake: trades out of the order store, and what positions have made of them by day.

`export` brings fills into the lake, `days` makes the profit of a day of them, `snapshots` keeps where positions stood.
It stands above trading, the lake and positions, which know nothing of each other.
"""
