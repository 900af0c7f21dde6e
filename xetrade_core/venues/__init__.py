"""One module a venue: its dated facts, URLs, limits, symbols and book protocol; and the REST client that obeys them."""
