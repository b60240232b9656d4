"""Absorbed effects in `si.iv` against dummies; pyfixest's numbers are compared in tests/models/test_absorbed.py."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import AliasedWarning, DroppedRowsWarning, NotIdentifiedError, OptionError


def sample(n: int = 360, firms: int = 24) -> pd.DataFrame:
    random = np.random.default_rng(8)
    made = pd.DataFrame({"firm": random.permutation(np.arange(n) % firms), "year": random.integers(0, 6, n)})
    u, a = random.standard_normal(n), random.standard_normal(firms)[made["firm"]]
    made = made.assign(v=random.standard_normal(n) + a, q=random.standard_normal(n), z=random.standard_normal(n))
    made["x"] = 0.8 * made["v"] + 0.4 * made["q"] + 0.5 * u + a + random.standard_normal(n)
    made["arm"] = np.where(made["x"] > 0, "drug", "placebo")
    made["y"] = 0.5 * made["x"] - 0.3 * made["z"] + a + 0.1 * made["year"] + u
    return made.assign(w=random.integers(1, 4, n) / 2.0)


DATA = sample()
TWO = ["x", "z"]


def close(found, expected, tolerance=1e-8):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("method", "weights"), [("2sls", None), ("2sls", "w"), ("liml", None)])
def test_equals_dummies(method, weights):
    known = {"method": method, "weights": weights}
    whole = si.iv("y ~ x | z + C(firm) + C(year) | v + q", DATA, **known)
    fit = si.iv("y ~ x | z | v + q", DATA, absorb="firm + year", absorb_tol=1e-11, **known)
    close(fit.params[TWO], whole.params[TWO])
    for kind in ("iid", "HC0", "HC1"):
        close(fit.with_vcov(kind).vcov, whole.with_vcov(kind).vcov.loc[TWO, TWO])
    close(fit.residuals, whole.residuals)
    close(fit.sigma, whole.sigma)
    close(fit.first_stage().iloc[:, 1:], whole.first_stage().iloc[:, 1:], 1e-7)
    close(fit.anderson_rubin().statistic, whole.anderson_rubin().statistic, 1e-7)
    close(fit.wu_hausman().statistic, whole.wu_hausman().statistic)
    close(fit.overid("sargan").statistic, whole.overid("sargan").statistic)
    close(fit.predict(DATA.head(6))["estimate"], whole.predict(DATA.head(6))["estimate"])
    close(fit.augment()[["fitted", "residual"]], whole.augment()[["fitted", "residual"]])


def test_one_factor_has_leverages_and_arms_have_names():
    whole, fit = si.iv("y ~ arm | C(firm) | v", DATA), si.iv("y ~ arm | 1 | v", DATA, absorb="firm")
    name = ["arm[T.drug]"]
    assert list(fit.terms) == name
    for kind in ("HC2", "HC3"):
        close(fit.with_vcov(kind).vcov, whole.with_vcov(kind).vcov.loc[name, name])
    close(fit.predict(DATA)["estimate"], whole.predict(DATA)["estimate"])
    with pytest.raises(NotIdentifiedError, match="no intervals"):
        fit.predict(DATA, interval="confidence")


def test_gmm_is_of_what_the_effects_leave():
    fit = si.iv("y ~ x | z | v + q", DATA, method="gmm", absorb="firm")
    whole = si.iv("y ~ x | z + C(firm) | v + q", DATA, method="gmm")
    # Dummies among the moments change the residuals of an overidentified model and not the coefficients.
    close(fit.params[TWO], whole.params[TWO])


def test_clusters_saved_and_aliased(tmp_path):
    data = DATA.assign(size=DATA["firm"] * 1.0)
    with pytest.warns(AliasedWarning, match="or the absorbed effects, determine them: 'size'"):
        fit = si.iv("y ~ x | z + size | v", data, absorb="firm + year", cluster="firm")
    plain = si.iv("y ~ x | z + C(firm) + C(year) | v", data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = plain.with_vcov({"cluster": "firm", "type": "HC0"}).vcov.loc[TWO, TWO]
    close(fit.vcov.loc[TWO, TWO], raw * (len(data) - 1) / (len(data) - 2 - 6))
    for other in (si.load(fit.save(tmp_path / "fit.si")), pickle.loads(pickle.dumps(fit)), fit.lean()):
        close(other.predict(data.head(5))["estimate"], plain.predict(data.head(5))["estimate"], 1e-7)
        assert len(other.fixed_effects("firm")) == 24
    with pytest.warns(DroppedRowsWarning, match="has a level that the fit has no effect of"):
        assert np.isnan(fit.predict(data.head(1).assign(firm=99, size=99.0))["estimate"].iloc[0])


def test_methods_that_absorb_nothing_say_so():
    for method in ("late", "ivqr", "invalid"):
        with pytest.raises(OptionError, match=f"method='{method}'.* absorbs no effects"):
            si.iv("y ~ arm | z | v", DATA, method=method, absorb="firm")
    with pytest.raises(NotIdentifiedError, match="'size' is determined by the covariates"):
        si.iv("y ~ size | z | v", DATA.assign(size=DATA["firm"] * 1.0), absorb="firm")
