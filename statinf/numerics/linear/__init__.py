"""Least squares, ridge, Gram matrices and leading eigenvectors."""
