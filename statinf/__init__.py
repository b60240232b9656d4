"""statinf: statistical inference with one grammar of formulas, one kind of result, one float64 backend."""
