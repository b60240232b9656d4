"""Whole verbs beside other packages: each side in a process of its own, from a data frame and a formula to the table."""
