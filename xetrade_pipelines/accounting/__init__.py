"""The books of the desk: fills, the profit of each day, and positions watched at the venues' marks."""
