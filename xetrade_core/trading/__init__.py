"""Orders that are never lost and never doubled: state machine, event store, risk, and the service that drives them."""
