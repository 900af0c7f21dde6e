"""Order-book recording: the assets of the lake's `l2_*` datasets and what launches, checks and watches them."""
