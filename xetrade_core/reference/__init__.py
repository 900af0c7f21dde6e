"""Reference data: from what venues list to days in the lake, to the symbol map and to what changed.

The rules are in `symbols` (pure) and the layout in `lake`; here they meet. Which venue is asked, and when, is decided
above.
"""
