"""Detection of changes along a stream."""
