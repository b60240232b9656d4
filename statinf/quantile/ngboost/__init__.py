"""Natural gradient boosting of conditional laws."""
