"""Reference data: what venues list, the symbol map, and what changed; by day."""
