"""Order books and their sequencers: pure, synchronous, no I/O.

`BookSet.feed(frame, received_ns)` turns a venue's frame into `Applied`, `Gap`, `Synced`, ... events and keeps one
`L2Book` a symbol. Nothing here knows of sockets, files or clocks, so that the same code runs live, in replays and in
property tests.
"""
