"""Many clients that place an order and cancel it at once: how long it takes, what fails and why, and proof afterwards,
from the venue itself, that nothing is open, lost or doubled.
"""
