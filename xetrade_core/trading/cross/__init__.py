"""Cross-venue orders: buy here and sell there, as a persisted saga that goes on wherever a crash has left it."""
