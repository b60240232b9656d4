"""CR2, its degrees of freedom and tests against dense matrices; what becomes of them in tables and saved fits."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from scipy import stats

import statinf as si
from statinf.inference.cluster_roots import _by_eigenvalues, _by_rational

CR2 = {"cluster": "g", "type": "CR2"}


def clustered(sizes: list[int], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(len(sizes)), sizes)
    n = len(g)
    frame = pd.DataFrame(
        {"g": g, "x": rng.normal(size=n) + rng.normal(size=len(sizes))[g], "z": rng.exponential(size=n)}
    )
    frame["a"] = (g < 3).astype(float)
    frame["w"] = np.where(g % 2, rng.uniform(0.2, 3, n), 1.5)
    frame["y"] = frame["x"] + rng.normal(size=len(sizes))[g] + rng.normal(size=n)
    return frame


@pytest.fixture(scope="module")
def uneven() -> pd.DataFrame:
    """Clusters of fewer rows than columns, of about as many, and of many more, with weights that differ within every second."""
    return clustered([1, 2, 3, 3, 4, 5, 6, 9, 40, 41, 60], 3)


def dense(
    frame: pd.DataFrame, x: np.ndarray, w: np.ndarray, e: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The covariance, and p_gs'p_ht for combinations c (m, q), shape (G, G, m, m), from matrices of rows by rows."""
    m = np.linalg.inv(x.T @ (x * w[:, None]))
    residual_maker = np.eye(len(x)) - x @ m @ (x * w[:, None]).T
    half = np.sqrt(1.0 / w)
    meat, vectors = np.zeros_like(m), []
    for g in np.unique(frame["g"]):
        at = np.flatnonzero(frame["g"] == g)
        b = (residual_maker[at] / w) @ residual_maker[at].T
        inner = scipy.linalg.eigh(half[at, None] * b * half[at])
        gain = np.where(inner[0] > 1e-12, np.abs(inner[0]) ** -0.5, 0.0)
        a = half[at, None] * (inner[1] * gain @ inner[1].T) * half[at]
        score = x[at].T @ (w[at, None] * a)
        unit = m @ score @ e[at]
        meat += np.outer(unit, unit)
        vectors.append((c @ m @ score @ residual_maker[at]) * half)
    p = np.array(vectors)
    return meat, np.einsum("gsi,hti->ghst", p, p)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", [None, "w"])
def test_dense_matrices_give_the_same_covariance_degrees_and_tests(uneven, weights):
    fit = si.lm("y ~ x + z + a", uneven, weights=weights, vcov=CR2)
    x = np.column_stack([np.ones(len(uneven)), uneven[["x", "z", "a"]]])
    w = np.ones(len(uneven)) if weights is None else uneven["w"].to_numpy()
    matrix, p = dense(uneven, x, w, fit.residuals, np.eye(4))
    np.testing.assert_allclose(fit.cov.matrix, matrix, rtol=1e-9)
    own = np.einsum("ghss->sgh", p)
    each = np.einsum("sgg->s", own) ** 2 / (own**2).sum(axis=(1, 2))
    np.testing.assert_allclose(fit.cov.each, each, rtol=1e-9)
    np.testing.assert_allclose(fit.pvalues, 2 * stats.t.sf(np.abs(fit.statistics), each), rtol=1e-9)
    half = stats.t.ppf(0.95, each) * fit.std_errors
    np.testing.assert_allclose(fit.conf_int(0.9)["conf_high"], fit.params + half, rtol=1e-9)
    assert fit.cov.df == pytest.approx(each.min())
    # Hotelling's T-squared: the Wishart matrix of the same total variance
    for chosen in ([1, 2], [1, 2, 3]):
        small = p[:, :, chosen][..., chosen]
        root = np.linalg.inv(scipy.linalg.sqrtm(np.einsum("ggst->st", small)).real)
        turned = np.einsum("as,ghst,tb->ghab", root, small, root)
        var = (np.einsum("ghss->gh", turned) ** 2).sum() + np.einsum("ghst,ghts->", turned, turned)
        m = len(chosen)
        eta = m * (m + 1) / var
        found = fit.test(", ".join(f"{fit.terms[j]} = 0" for j in chosen))
        assert found.df_denominator == pytest.approx(eta - m + 1, rel=1e-8)
        b = fit.theta[chosen]
        wald = b @ np.linalg.solve(matrix[np.ix_(chosen, chosen)], b)
        assert found.statistic == pytest.approx((eta - m + 1) / (eta * m) * wald, rel=1e-7)
        assert found.p_value == pytest.approx(stats.f.sf(found.statistic, m, eta - m + 1), rel=1e-9)


def test_the_rational_function_is_the_root():
    rng = np.random.default_rng(1)
    rows = np.linalg.qr(rng.normal(size=(200, 4)))[0].reshape(4, 50, 4)
    variance = np.exp(rng.normal(size=(4, 50)))
    whole = 1 - np.linalg.eigvalsh(rows.transpose(0, 2, 1) @ rows)[:, -1]
    np.testing.assert_allclose(
        _by_rational(rows, variance, whole), _by_eigenvalues(rows, variance), rtol=1e-9, atol=1e-11
    )


@pytest.mark.filterwarnings("ignore:.*clusters for")
def test_what_one_cluster_alone_determines_is_dropped_in_all_sizes():
    frame = clustered([40, 50, 6, 7, 40], 5).assign(one=lambda d: (d["g"] == 0).astype(float))
    for weights in (None, "w"):
        fit = si.lm(
            "y ~ x + one", frame.assign(w=frame["w"].where(frame["g"] > 0, frame["z"] + 0.1)), weights=weights, vcov=CR2
        )
        assert fit.std_errors["one"] > 0 and np.isfinite(fit.cov.each).all()


@pytest.mark.filterwarnings("ignore")
def test_where_columns_stand_and_rows_come_does_not_matter(uneven):
    plain = si.lm("y ~ x + z", uneven, weights="w", vcov=CR2)
    for other in (uneven.assign(x=uneven["x"] + 1e7), uneven.sample(frac=1, random_state=0)):
        moved = si.lm("y ~ x + z", other, weights="w", vcov=CR2)
        np.testing.assert_allclose(moved.cov.each[1:], plain.cov.each[1:], rtol=1e-6)
        np.testing.assert_allclose(moved.std_errors[1:], plain.std_errors[1:], rtol=1e-7)
    twice = si.lm("y ~ x + z", pd.concat([uneven, uneven.assign(y=0.0, w=0.0)]), weights="w", vcov=CR2)
    np.testing.assert_allclose(twice.cov.each, plain.cov.each, rtol=1e-10)


@pytest.mark.filterwarnings("ignore")
def test_degrees_of_freedom_as_asked_and_after_saving(uneven, tmp_path):
    fit = si.lm("y ~ x + z", uneven, vcov=CR2)
    assert fit.cov.label == "clustered by g (CR2, Satterthwaite df)"
    assert fit.with_vcov({"cluster": "g", "type": "CRV2"}).cov.label == fit.cov.label
    assert fit.with_vcov({**CR2, "df": "clusters"}).cov.df == 10
    assert fit.with_vcov({"cluster": "g", "type": "CR3"}).cov.df == 10
    few = fit.with_vcov({"cluster": "g", "df": "satterthwaite"})
    np.testing.assert_allclose(few.cov.matrix, fit.with_vcov({"cluster": "g"}).cov.matrix, rtol=1e-12)
    assert fit.test("x = 0").p_value == pytest.approx(fit.pvalues["x"], rel=1e-10)
    same = fit.transform(lambda b: {"x": b["x"]})
    assert same.conf_int().loc["x"].tolist() == pytest.approx(fit.conf_int().loc["x"].tolist())
    new = uneven.iloc[[0, 50]]
    combined = fit.transform(lambda b: [b["Intercept"] + b["x"] * r.x + b["z"] * r.z for r in new.itertuples()])
    limits = fit.predict(new, interval="confidence")[["conf_low", "conf_high"]]
    np.testing.assert_allclose(limits, combined.conf_int(), rtol=1e-8)
    fit.save(tmp_path / "fit")
    kept = si.load(next(tmp_path.iterdir()))
    assert kept.conf_int().equals(fit.conf_int())
    assert kept.test("x = 0").p_value == pytest.approx(fit.test("x = 0").p_value)
    for without in (kept, fit.lean()):
        with pytest.raises(si.DataError, match="degrees of freedom of several restrictions"):
            without.test("x = 0, z = 0")
    with pytest.raises(si.NotIdentifiedError, match="degrees of freedom for 3 restrictions"):
        si.lm("y ~ x + z + a", uneven[uneven["g"] > 7].assign(a=uneven["x"] ** 2), vcov=CR2).test("x = 0, z = 0, a = 0")


def test_few_clusters_point_to_it(uneven):
    with pytest.warns(si.StatinfWarning, match="'type': 'CR2'}, with degrees of freedom of its own"):
        si.lm("y ~ x", uneven[uneven["g"] < 8], cluster="g")


def test_indefinite_matrices_of_several_clusters_are_repaired_and_say_so():
    rng = np.random.default_rng(8)
    for _ in range(30):
        frame = pd.DataFrame({"a": rng.integers(0, 12, 60), "b": rng.integers(0, 12, 60), "x": rng.normal(size=60)})
        frame["y"] = rng.normal(size=60) * (1 + frame["x"] ** 2)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            fit = si.lm("y ~ x + I(x**2)", frame, vcov={"cluster": ["a", "b"], "factor": "min"})
        if "positive semi-definite" in fit.cov.label and told:
            assert "has negative eigenvalues, which are set to zero: standard errors grow by up to" in str(
                told[0].message
            )
            assert (
                fit.cov.label
                == "clustered by a and b (HC1, factor of the fewest clusters), made positive semi-definite"
            )
            assert np.linalg.eigvalsh(fit.cov.matrix)[0] > -1e-14
            return
    raise AssertionError("no indefinite matrix in 30 samples")


@pytest.mark.filterwarnings("ignore")
def test_degrees_of_freedom_under_a_random_effect_are_those_of_dense_matrices(uneven):
    """Imbens and Kolesar (2016): tr(P'VP)^2 / tr((P'VP)^2) with Moulton's estimate of V."""
    kind = {**CR2, "df": "imbens-kolesar"}
    fit = si.lm("y ~ x + z", uneven, vcov=kind)
    assert fit.cov.label == "clustered by g (CR2, Imbens-Kolesar df)"
    x, g, u = np.column_stack([np.ones(len(uneven)), uneven[["x", "z"]]]), uneven["g"].to_numpy(), fit.residuals
    m = np.linalg.inv(x.T @ x)
    maker, z = np.eye(len(x)) - x @ m @ x.T, np.equal.outer(g, np.unique(g)) * 1.0
    sizes, sums = z.sum(axis=0), u @ z
    shared = max((sums @ sums - u @ u) / (sizes @ sizes - len(u)), 0.0)
    variance = max(u @ u / len(u) - shared, 0.0) * np.eye(len(u)) + shared * z @ z.T
    parts = []
    for code in np.unique(g):
        at = np.flatnonzero(g == code)
        root = np.linalg.inv(scipy.linalg.sqrtm(maker[np.ix_(at, at)]).real)
        parts.append(maker[:, at] @ root @ x[at] @ m)
    p = np.array(parts)
    for j in range(3):
        inner = p[:, :, j] @ variance @ p[:, :, j].T
        assert fit.cov.each[j] == pytest.approx(np.trace(inner) ** 2 / (inner**2).sum(), rel=1e-8)
    assert fit.test("x = z").df_denominator == pytest.approx(fit.transform(lambda b: b["x"] - b["z"]).cov.df)
    with pytest.raises(si.NotIdentifiedError, match="several restrictions have Satterthwaite's"):
        fit.test("x = 0, z = 0")
    for other in (si.lm("y ~ x", uneven, weights="w"), si.glm("a ~ x", uneven, family="binomial")):
        with pytest.raises(si.NotIdentifiedError, match="linear regressions without weights"):
            other.with_vcov(kind)


@pytest.mark.filterwarnings("ignore::statinf.errors.StatinfWarning")
@pytest.mark.parametrize("kind", ["HC1", "HC2", "HC3"])
def test_as_many_coefficients_as_rows_have_no_errors(kind: str) -> None:
    data = pd.DataFrame({"y": [1.0, 3, 2, 5, 4, 6], "g": list("abcdef"), "k": [1, 1, 2, 2, 3, 3]})
    with pytest.raises(si.NotIdentifiedError, match="degrees of freedom left"):
        si.lm("y ~ g", data, vcov={"cluster": "k", "type": kind})
