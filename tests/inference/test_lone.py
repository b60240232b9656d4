"""A cluster that alone determines a coefficient is found among many rows, and some rows tell that there is none."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.inference import lone

N = 6000


def data(treated: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g = rng.integers(0, 40, N)
    t = (g < treated).astype(float)
    return pd.DataFrame({"y": rng.normal(size=N), "x": rng.normal(size=N) + 1e6, "t": t, "g": g, "five": g % 5})


def test_the_one_treated_cluster_of_many_rows_is_named():
    with pytest.warns(si.StatinfWarning, match="one cluster of 'g' alone determines 't'"):
        si.lm("y ~ x + t", data(1), cluster="g")


@pytest.mark.parametrize("cluster", ["g", "five"])
def test_some_rows_settle_it_where_no_cluster_does(monkeypatch, recwarn, cluster):
    monkeypatch.setattr(lone, "over_blocks", lambda *_: pytest.fail("all rows were looked at"))
    si.lm("y ~ x + t", data(12), vcov={"cluster": cluster})
    assert not [w for w in recwarn if "alone determines" in str(w.message)]


def test_what_some_rows_call_spread_is_spread_among_all():
    frame = data(12)
    x = np.column_stack([np.ones(N), frame["t"], frame["x"] - 1e6])
    inverse = np.linalg.inv(np.linalg.cholesky(x.T @ x)).T
    codes, ones = frame["g"].to_numpy(), np.ones(N)
    assert lone._plainly_spread(codes, x, ones, inverse)
    half = x @ inverse
    most = max(np.linalg.eigvalsh(half[codes == g].T @ half[codes == g])[-1] for g in range(40))
    assert most < 1.0 - 1e-8
    x[:, 1] = codes == 7
    inverse = np.linalg.inv(np.linalg.cholesky(x.T @ x)).T
    assert not lone._plainly_spread(codes, x, ones, inverse)
