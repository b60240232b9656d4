"""Regressions whose coefficients by level are pooled: linear and logistic mixed models with random intercepts."""
