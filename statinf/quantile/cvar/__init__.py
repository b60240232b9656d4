"""Regressions that minimise the conditional value at risk of their losses, and that of losses as they are."""
