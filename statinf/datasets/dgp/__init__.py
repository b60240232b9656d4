"""Data-generating processes, one file per family of methods.

A new process is one function in one of these files (or in a new file, which is found by itself)::

    @dgp("my_process", reference="Author (2024), arXiv 2401.00001")
    def my_process(n, rng, *, effect=1.0):
        \"\"\"One line on the model.\"\"\"
        x = rng.standard_normal(n)
        return {"y": effect * x + rng.standard_normal(n), "x": x}, {"effect": effect}

Its keyword-only arguments are the constants that ``simulate`` accepts. The second value is the truth: numbers,
strings and lists of them only, because it travels in ``frame.attrs`` and has to survive parquet. What is true of
a row (a propensity, an effect) is a column, named in ``truth["row_truths"]``.
"""
