"""Parametric families as boosting sees them: unconstrained parameters, proper scores of them, and the scores' metrics."""
