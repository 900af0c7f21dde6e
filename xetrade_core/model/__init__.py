"""Values without I/O. The ground of the house: imports nothing of ours but errors and clock."""
