"""Value at risk, and the conditional value at risk of losses and of regressions that minimise it."""
