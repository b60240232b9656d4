"""Among other packages: tables of maketables, and jobs of cloudpickle, joblib and spawned processes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest

import statinf as si

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fits():
    data = si.datasets.load("mtcars")
    return si.lm("log(mpg) ~ wt", data), si.glm("am ~ wt", data, family="binomial")


# --- maketables -----------------------------------------------------------------------------------------------


def test_no_result_passes_for_one_of_statsmodels(fits):
    """maketables 0.2 asks for these three attributes first, and for its own hooks only after that."""
    for fit in (*fits, si.joint(*fits)):
        assert not all(hasattr(fit, name) for name in ("params", "bse", "pvalues"))
        with pytest.raises(AttributeError, match="std_errors"):
            _ = fit.bse


def test_the_hooks_tell_outcome_coefficients_and_statistics(fits):
    linear, logit = fits
    table = linear.__maketables_coef_table__
    assert table.index.name == "Coefficient" and table.index.tolist() == ["Intercept", "wt"]
    assert table.columns.tolist() == ["b", "se", "t", "p", "ci95l", "ci95u"]
    assert (table["b"] == linear.params.to_numpy()).all() and (table["se"] == linear.std_errors.to_numpy()).all()
    assert linear.__maketables_depvar__ == "log(mpg)" and linear.__maketables_vcov_info__ == {"vcov_type": "HC1"}
    glance = linear.glance().iloc[0]
    for key, name in {"N": "nobs", "r2": "r_squared", "adj_r2": "adj_r_squared", "aic": "aic", "rmse": "sigma"}.items():
        assert linear.__maketables_stat__(key) == glance[name]
    assert linear.__maketables_stat__("se_type") == "HC1" and linear.__maketables_stat__("r2_within") is None
    assert linear.__maketables_default_stat_keys__ == ["N", "r2", "adj_r2", "aic", "bic", "se_type"]
    assert logit.__maketables_default_stat_keys__ == ["N", "aic", "bic", "se_type"]


def test_its_own_output_where_it_is_installed(fits):
    maketables = pytest.importorskip("maketables")
    tex = maketables.ETable(list(fits)).make(type="tex")
    assert "log(mpg)" in tex and "$R^2$ & 0.798 & -" in tex and "S.E. type & HC1 & iid" in tex


# --- jobs -----------------------------------------------------------------------------------------------------


def test_the_package_is_a_plain_module():
    assert type(si) is ModuleType
    assert cloudpickle.loads(cloudpickle.dumps(lambda: si.lm))() is si.lm
    for name in ("lm", "balance", "shift", "conformal", "load"):
        assert pickle.loads(pickle.dumps(getattr(si, name))) is getattr(si, name)


SCRIPT = """
import multiprocessing
import joblib
import statinf as si


def slope(k):
    return float(si.lm("y ~ x", {"x": [0, 1, 2, 3], "y": [0, k, 2 * k, 3 * k + 1]}).params["x"])


if __name__ == "__main__":
    here = [slope(k) for k in range(2)]
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(slope)(k) for k in range(2)) == here
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(lambda k: slope(k))(k) for k in range(2)) == here
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(slope, range(2)) == here
    print("done")
"""


def test_jobs_of_a_script_run_in_other_processes(tmp_path):
    script = tmp_path / "a script.py"
    script.write_text(SCRIPT)
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths}
    )
    assert run.stdout.strip() == "done", run.stderr
