"""Training weights for experiments whose arms share data."""
