"""Study statistics: pure functions on arrays."""
