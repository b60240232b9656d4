"""`si.certificate`: the lines of the simulations that belong to a fit, and the studies that they come from."""

import numpy as np
import pytest

import statinf as si
from benchmarks.certify.study import Shown, Study
from statinf.errors import OptionError
from statinf.results.certificate import CertifiedLine, certified, interval_kind

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
    assert interval_kind(si.lm("mpg ~ am", cars, weights=w)) == "HC0, weights estimated"


def test_a_fit_outside_of_the_simulations_is_told_so(cars):
    few = si.certificate(si.lm("mpg ~ wt", cars.head(12)))
    assert "12 rows are fewer than" in few.outside
    clustered = si.certificate(si.lm("mpg ~ wt", cars, vcov={"cluster": "cyl"}))
    assert clustered.clusters == 3
    assert "fewer than" in clustered.outside
    unknown = si.certificate(si.rd("mpg ~ wt", cars, cutoff=3.2, bandwidth=2.0))
    assert not unknown.lines
    assert "no simulation" in unknown.outside


def test_a_family_or_penalty_finds_no_lines_of_another(cars):
    designs = {entry.design for entry in si.certificate(si.glm("carb ~ wt", cars, family="poisson")).lines}
    assert designs == {"poisson outcome, log link, two normal covariates"}
    for options in ({"family": "gamma"}, {"family": "quasipoisson"}):
        assert not si.certificate(si.glm("carb ~ wt", cars, **options)).lines
    assert si.certificate(si.glm("am ~ wt", cars, family="binomial")).lines
    assert not si.certificate(si.glm("am ~ wt", cars, family="binomial", penalty="firth")).lines


def test_verdicts_come_from_the_simulation_error():
    assert line().verdict == "holds"
    assert line(found=0.92).verdict == "too low"
    assert line(found=0.98).verdict == "too high"
    # A share of several intervals a sample has less error than one interval a sample: the wider of the two decides.
    assert line(found=0.935, error=0.001).verdict == "holds"
    assert line(found=0.92, samples=100, error=0.027).verdict == "holds"


def test_only_results_have_certificates():
    with pytest.raises(OptionError, match="takes a fit"):
        si.certificate([1, 2])


def test_the_record_is_whole():
    lines = certified()
    assert len({(e.result, e.method, e.kind, e.quantity, e.design, e.n, e.clusters) for e in lines}) == len(lines)
    assert all(e.samples + e.failed >= 1000 and 0.0 <= e.found <= 1.0 for e in lines)


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
