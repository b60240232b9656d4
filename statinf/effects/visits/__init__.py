"""Regression of outcomes that are seen at visits whose times depend on the past."""
