"""Tests of manipulation: does the density of a running variable jump at a cutoff?"""
