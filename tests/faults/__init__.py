"""What goes wrong around a capture, on purpose."""
