"""A venue's frames, from a socket, a REST poll or a file, applied to its books and shown to a sink."""
