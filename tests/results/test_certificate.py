"""`si.certificate`: the lines of the simulations that belong to a fit, and the studies that they come from."""

import numpy as np
import pytest

import statinf as si
from benchmarks.certify.page import page
from benchmarks.certify.records import RECORDS as RECORDS_OF_SCRIPTS
from benchmarks.certify.records import number, samples_of, tables
from benchmarks.certify.study import Shown, Study
from benchmarks.did_coverage import sample as panel
from statinf.errors import OptionError
from statinf.results.certified import RECORDS, CertifiedLine, certified, described, interval_kind, recorded
from statinf.results.reach import reach_of

pytestmark = pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")


@pytest.fixture(scope="module")
def cars():
    return si.datasets.load("mtcars")


def line(**changes):
    base = {
        "verb": "lm",
        "result": "LinearFit",
        "method": "lm",
        "kind": "HC1",
        "quantity": "slope",
        "design": "any",
        "n": 50,
    }
    return CertifiedLine(**(base | {"samples": 1000, "level": 0.95, "found": 0.95, "error": 0.007} | changes))


def test_a_fit_finds_the_lines_of_its_own_interval(cars):
    fit = si.lm("mpg ~ wt", cars)
    found = si.certificate(fit)
    assert {entry.kind for entry in found.lines} == {"HC1"}
    assert {entry.kind for entry in si.certificate(fit.with_vcov("HC3")).lines} == {"HC3"}
    assert len(found.tidy()) == len(found.lines) > 0
    assert "Certificate of lm" in found.summary().to_text()
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize(
    ("vcov", "kind"),
    [
        ("iid", "iid"),
        ({"cluster": "cyl"}, "clusters, HC1"),
        ({"cluster": "cyl", "type": "HC3"}, "clusters, HC3"),
        ({"cluster": ["cyl", "gear"]}, "several clusters, HC1"),
    ],
)
def test_kinds_of_interval(cars, vcov, kind):
    with np.errstate(all="ignore"):
        assert interval_kind(si.lm("mpg ~ wt", cars, vcov=vcov)) == kind


def test_bootstraps_and_estimated_weights_are_kinds_of_their_own(cars):
    fit = si.lm("mpg ~ wt", cars)
    assert interval_kind(fit.bootstrap(19, seed=1)) == "multiplier bootstrap"
    w = si.balance("am ~ hp", cars)
    assert interval_kind(si.lm("mpg ~ am", cars, weights=w)) == "HC0, weights estimated: ipw"


def test_intervals_after_weights_are_those_of_their_method_and_treatment():
    nhefs = si.datasets.load("nhefs").dropna(subset=["wt82_71"])
    known = {(line.result, line.kind): line.quantity for line in certified() if "weights" in line.kind}
    calls = {
        "ipw, dose, normal": ("smokeintensity ~ age + wt71", {}),
        "cbps, dose, nonparametric": ("smokeintensity ~ age + wt71", {"method": "cbps", "nonparametric": True}),
        "entropy, arms": ("exercise ~ age + wt71", {"method": "entropy", "estimand": "ATE"}),
        "entropy": ("qsmk ~ age + wt71", {"method": "entropy"}),
    }
    for name, (formula, options) in calls.items():
        fit = si.lm("wt82_71 ~ qsmk", nhefs, weights=si.balance(formula, nhefs, **options))
        assert interval_kind(fit) == f"{fit.cov.kind}, weights estimated: {name}"
        assert ("LinearFit", interval_kind(fit)) in known
        lines = si.certificate(fit).lines
        assert lines
        assert len({line.quantity for line in lines}) < 4


def test_fits_without_rows_keep_what_was_told_of_their_weights(tmp_path):
    data = si.datasets.load("nsw")
    fit = si.lm("re78 ~ treat", data, weights=si.balance("treat ~ age + educ", data, method="cbps"))
    fit.save(tmp_path / "weighted.fit")
    for other in (fit.lean(), si.load(tmp_path / "weighted.fit")):
        assert str(si.certificate(other)) == str(si.certificate(fit))
        assert str(other.summary()) == str(fit.summary())
        assert si.certificate(other).lines


def test_a_kind_that_held_nowhere_is_named_below_the_fit():
    nhefs = si.datasets.load("nhefs").dropna(subset=["wt82_71"]).head(400)
    w = si.balance("smokeintensity ~ age + wt71", nhefs, method="ipw")
    fit = si.lm("wt82_71 ~ smokeintensity", nhefs, weights=w)
    assert "such intervals fell short in simulations of up to 500 rows" in fit.summary().to_text()


def test_laws_are_kept_by_how_their_iterations_were_chosen(cars):
    given = si.ngboost("mpg ~ wt", cars, n_estimators=5)
    chosen = si.ngboost("mpg ~ wt", cars, n_estimators=5, early_stopping_rounds=2, refit=True)
    assert described(given)[1] == "ngboost, normal, tree base, iterations as given"
    assert described(chosen)[1] == "ngboost, normal, tree base, iterations chosen on validation rows"
    assert described(si.ngboost("mpg ~ wt", cars, n_estimators=5, base="linear"))[1] != described(given)[1]


def test_calibrated_quantiles_are_kept_apart(cars):
    how = {"models": ["rq"], "tau": [0.25, 0.5, 0.75], "local": False, "resolution": "coarse", "progress": False}
    plain, split = (si.quantile_ensemble("mpg ~ wt", cars, calibrate=kind, **how) for kind in (None, "cqr"))
    assert described(plain)[1] == "quantile_ensemble, not calibrated"
    assert described(split)[1] == "quantile_ensemble, cqr"


def test_a_fit_outside_of_the_simulations_is_told_so(cars):
    few = si.certificate(si.lm("mpg ~ wt", cars.head(12)))
    assert "12 rows are fewer than" in few.outside
    clustered = si.certificate(si.lm("mpg ~ wt", cars, vcov={"cluster": "cyl"}))
    assert clustered.clusters == 3
    assert "fewer than" in clustered.outside
    unknown = si.certificate(si.glm("mpg ~ wt", cars, link="log"))
    assert not unknown.lines
    assert "no simulation" in unknown.outside


def test_verdicts_come_from_the_simulation_error():
    assert line().verdict == "holds"
    assert line(found=0.92).verdict == "too low"
    assert line(found=0.98).verdict == "too high"
    # The error is that of a share at the level: 0.9025 of 400 is 4.4 of them away, and 3.2 of its own.
    assert line(found=0.9025, samples=400, error=0.0148).verdict == "too low"
    # A mean of several intervals a sample has less error than the binomial's; half a point counts as none.
    assert line(found=0.935, error=0.001).verdict == "too low"
    assert line(found=0.946, error=0.001).verdict == "holds"
    assert line(found=0.92, samples=100, error=0.027).verdict == "holds"
    assert line(found=1.0, samples=20, error=0.0).verdict == "holds"


def test_only_results_have_certificates():
    with pytest.raises(OptionError, match="takes a fit"):
        si.certificate([1, 2])


@pytest.mark.parametrize(
    ("found", "rows", "most"),
    [
        ((0.95, 0.95, 0.95), 20, 80),
        ((0.8, 0.95, 0.95), 40, 80),
        ((0.95, 0.8, 0.95), 80, 80),
        ((0.8, 0.8, 0.8), None, 80),
    ],
)
def test_intervals_reach_down_to_where_no_larger_size_fell_short(found, rows, most):
    reach = reach_of(line(n=n, found=share) for n, share in zip((20, 40, 80), found, strict=True))
    assert (reach.rows, reach.clusters, reach.share, reach.most) == (rows, 0, 0.0, most)


def test_the_best_design_decides_and_clusters_and_shares_count():
    lines = [line(found=0.8, design="b"), line(design="a", n=100), line(design="c", n=30, found=0.8)]
    assert reach_of(lines).rows == 100
    clustered = [line(n=100, clusters=10, found=0.85), line(n=200, clusters=20)]
    assert reach_of(clustered).clusters == 20
    assert reach_of([line(share=0.9), line(design="b", share=0.6), line(design="c", share=0.3, found=0.8)]).share == 0.6


def test_a_summary_says_once_that_its_fit_is_outside(cars):
    few = si.lm("mpg ~ wt", cars.head(12)).summary().to_text()
    assert few.count("Certificate: 12 rows are fewer than the 25") == 1
    assert "Certificate" not in si.lm("mpg ~ wt", cars).summary().to_text()
    clustered = si.lm("mpg ~ wt", cars, cluster="carb").summary().to_text()
    assert "Certificate: 6 clusters are fewer than the" in clustered
    assert "(type CR2: 10)" in clustered
    assert "Certificate" in si.rq("mpg ~ wt", cars.head(20), tau=[0.2, 0.5]).summary().to_text()


def test_units_count_where_rows_are_several_a_unit():
    few, many = (si.did("y ~ 1 | x", panel(n, 1), id="unit", time="t", cohort="cohort") for n in (40, 120))
    assert "40 units are fewer than the" in si.certificate(few).outside
    assert "40 units are fewer than the" in few.aggregate("dynamic").summary().to_text()
    assert not si.certificate(many).outside


def test_concentrated_weights_are_outside():
    data = si.datasets.simulate("covariate_shift", 2000, seed=3, tilt=(1.2, -0.5))
    source, target = data[data["sample"] == "source"], data[data["sample"] == "target"]
    fit = si.shift("y ~ x1 + x2", source, target, method="mwle", ratio="logistic")
    assert "of the rows effective" in si.certificate(fit).outside
    assert "of the rows effective" in fit.summary().to_text()
    plain = si.shift("y ~ x1 + x2", source, target, method="mle")
    assert "effective, less" not in plain.summary().to_text()


def test_the_record_is_whole():
    lines = certified()
    assert len({(e.result, e.method, e.kind, e.quantity, e.design, e.n, e.clusters) for e in lines}) == len(lines)
    assert all(e.samples + e.failed >= 400 and 0.0 <= e.found <= 1.0 for e in lines)
    assert recorded(lines) == RECORDS.read_text(encoding="utf-8")


def test_tables_of_other_records_are_read():
    lines = RECORDS_OF_SCRIPTS[0].lines()
    assert {entry.method for entry in lines} == {"s", "t", "x", "dr", "r", "u", "ivw"}
    assert {entry.n for entry in lines} == {200, 1000}
    assert number("**0.913** (0.245)") == 0.913
    assert np.isnan(number(""))


def test_the_page_has_every_family_and_names_what_to_use_instead():
    text = page([line(n=200, found=0.8), line(n=200, kind="HC3")])
    assert "| Models | 2 | 1 | 1 | 0 |" in text
    assert "| HC3 (0.950) |" in text
    assert "200: **0.800**" in text


def test_a_study_goes_on_where_it_stopped(cars, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.certify.study.FOLDER", tmp_path)
    monkeypatch.setattr("benchmarks.certify.study.ENOUGH", 6)
    fit = si.lm("mpg ~ wt", cars)
    seen = []

    def draw(n, seed):
        seen.append((n, seed))
        yield Shown(fit, "slope", seed % 2)
        yield lambda: (_ for _ in ()).throw(OptionError("refused"))

    study = Study("a", "lm", "a design", (10, 20), draw)
    study.run(4, say=lambda _: None)
    study.run(6, say=lambda _: None)
    assert seen == [(10, s) for s in range(4)] + [(20, s) for s in range(4)] + [(10, 4), (10, 5), (20, 4), (20, 5)]
    first, second = study.lines()
    assert (first.n, first.samples, first.found, first.kind, first.failed) == (10, 6, 0.5, "HC1", 0)
    assert second.n == 20
    assert first.error == pytest.approx(0.5 / np.sqrt(6), abs=1e-4)


def test_families_links_and_penalties_are_kept_apart(cars):
    plain = si.certificate(si.glm("am ~ wt", cars, family="binomial"))
    assert {entry.method for entry in plain.lines} == {"glm, binomial, logit"}
    for options in ({"link": "probit"}, {"penalty": "firth"}):
        found = si.certificate(si.glm("am ~ wt", cars, family="binomial", **options))
        assert not {entry.method for entry in found.lines} & {"glm, binomial, logit"}


def test_records_of_scripts_say_of_how_many_samples_they_are():
    for record in RECORDS_OF_SCRIPTS:
        rows = list(tables(record.file, record.heading))
        drawn = {int(row["samples"]) for row in rows} if "samples" in rows[0] else {samples_of(record.file)}
        lines = [line for line in record.lines() if line.verb == record.verb]
        assert lines and all(any(line.samples % count == 0 for count in drawn) for line in lines), record.file


@pytest.mark.parametrize(
    "fit",
    [
        lambda d, w: si.lm("re78 ~ treat", d, weights=w),
        lambda d, w: si.rq("re78 ~ treat", d, weights=w),
        lambda d, w: si.expectile("re78 ~ treat", d, tau=0.5, weights=w),
        lambda d, w: si.effect("re78 ~ treat | age", d, method="matching", weights=w),
        lambda d, w: si.rd("re78 ~ age", d, cutoff=27.5, weights=w),
    ],
)
def test_errors_that_leave_out_the_estimation_of_weights_say_so_in_one_way(fit):
    lalonde = si.datasets.load("lalonde")
    w = si.balance("treat ~ age + educ", lalonde, method="energy", estimand="ATT")
    assert "weights taken as fixed" in fit(lalonde, w).cov.label


def test_weights_of_data_in_blocks_are_told_as_those_of_rows_in_memory():
    data = si.datasets.load("anes96")
    data = data.assign(treat=(data["age"] > data["age"].median()) * 1.0, out=data["income"] * 1.0)
    kinds = []
    for table in (data, si.blocks(data, rows=300)):
        fit = si.lm("out ~ treat", table, weights=si.balance("treat ~ popul", table, method="ipw"))
        kinds += [interval_kind(fit), interval_kind(fit.lean())]
    assert set(kinds) == {"HC0, weights estimated: ipw"}
