"""One-sided kernel-weighted local polynomials: at one cutoff for many outcomes, or along many cutoffs."""
