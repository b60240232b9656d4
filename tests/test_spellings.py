"""First guesses of people who come from other packages: the error names the spelling that works here."""

from __future__ import annotations

import pickle
import re

import pytest

import statinf as si
from statinf.cli.families import modules
from statinf.spellings import _TABLES, hint, plain


@pytest.mark.parametrize(
    ("guess", "answer"),
    [
        ("ols", "si.lm"),
        ("OLS", "si.lm"),
        ("feols", "absorb="),
        ("logit", 'family="binomial"'),
        ("Logit", 'family="binomial"'),
        ("quantreg", "si.rq"),
        ("weightit", "si.balance"),
        ("matchit", "si.balance"),
        ("ebal", 'method="entropy"'),
        ("att", 'estimand="ATT"'),
        ("causal_forest", "si.cate"),
        ("ivreg", "si.iv"),
        ("rdrobust", "si.rd"),
        ("att_gt", "si.did"),
        ("clstd", "si.ctd"),
        ("mapie", "si.conformal"),
        ("modelsummary", "si.table"),
        ("confint", "fit.conf_int"),
        ("coxph", "si.crq"),
        ("ns", "ns(x, df=4)"),
        ("hausman", "wu_hausman()"),
        ("read_parquet", "si.blocks"),
        ("synth", "not here"),
        ("aci", 'si.conformal_online(..., method="aci")'),
        ("saocp", 'si.conformal_online(..., method="saocp")'),
        ("cv_plus", 'si.conformal(..., method="cv+")'),
        ("gformula", 'si.transport(..., method="gformula")'),
        ("dro", 'si.shift(..., method="dro")'),
    ],
)
def test_a_foreign_verb_is_pointed_to_ours(guess, answer):
    with pytest.raises(AttributeError, match=f"no attribute '{guess}'") as caught:
        getattr(si, guess)
    assert answer in str(caught.value)


def test_every_name_of_a_method_is_pointed_to_a_verb():
    for _, module in modules("table"):
        for table in module.TABLES:
            for name in filter(None, (*table, *table.aliases)):
                guess = name.replace("+", "_plus").replace("-", "_")
                if not guess.isidentifier() or hasattr(si, guess):
                    continue
                with pytest.raises(AttributeError, match=r"si\.|fit\."):
                    getattr(si, guess)


def test_case_and_signs_of_a_method_do_not_count_and_no_two_methods_share_a_name():
    for _, module in modules("table"):
        for table in module.TABLES:
            spelled = {plain(name): known for name, known in table.aliases.items()}
            assert len({plain(name) for name in table}) == len(table)
            for name in table:
                assert spelled.get(plain(name), name) == name, (table.verb, name)
                for guess in (name.upper(), name.replace("-", "_").replace("+", "_plus"), name.replace("-", " ")):
                    assert table.find(guess).name == name
            assert len(spelled) == len(table.aliases), f"{table.verb}: aliases that differ by signs alone"
            for name, known in table.aliases.items():
                assert table.find(name).name == known


@pytest.mark.parametrize(
    ("verb", "guess", "answer"),
    [
        ("effect", "dml", 'method="irm"'),
        ("effect", "cbps", "si.balance"),
        ("effect", "late", "si.iv"),
        ("effect", "aipww", "'aipw'"),
        ("balance", "matching", "si.effect"),
        ("iv", "ols", "si.lm"),
        ("did", "sunab", 'aggregate("dynamic")'),
        ("conformal", "??", "choose one of"),
    ],
)
def test_a_method_of_elsewhere_is_answered(verb, guess, answer):
    table = next(t for _, module in modules("table") for t in module.TABLES if t.verb == verb)
    with pytest.raises(si.errors.OptionError, match=re.escape(answer)):
        table.find(guess)


def test_a_slip_of_the_pen_is_answered_with_the_nearest_name():
    with pytest.raises(AttributeError, match="Did you mean 'conformal'"):
        _ = si.conformel
    with pytest.raises(AttributeError, match=r"no attribute 'zzz'\.$"):
        _ = si.zzz
    assert not hasattr(si, "__wrapped__")


@pytest.mark.parametrize(
    ("kind", "guess", "answer"),
    [
        ("result", "coef", "params"),
        ("result", "get_margeff", "slopes()"),
        ("result", "avg_comparisons", "comparisons("),
        ("result", "coef_", "params"),
        ("result", "se", "std_errors"),
        ("result", "confint", "conf_int"),
        ("result", "rsquared", "glance()"),
        ("result", "cov_params", "vcov"),
        ("option", "alpha", "level="),
        ("option", "cov_type", "vcov="),
        ("option", "clusters", "cluster="),
        ("option", "random_state", "seed="),
        ("option", "n.splits", "folds="),
        ("option", "bwselect", "bandwidth="),
    ],
)
def test_a_foreign_attribute_or_option_is_pointed_to_ours(kind, guess, answer):
    assert answer in hint(kind, guess)


def test_a_result_is_asked_for_what_another_kind_has():
    data = si.datasets.load("lalonde")
    weights = si.balance("treat ~ age + educ", data, method="entropy", estimand="ATT")
    fit = si.lm("re78 ~ treat", data)
    asked = {
        (weights, "weights"): "Use values",
        (weights, "ps"): "Use propensity",
        (weights, "bal_tab"): "si.balance_table",
        (weights, "coefficients"): "It offers influence, plot, summary, values",
        (weights, "zzz"): "It offers influence, plot, summary, values",
        (weights, "valuse"): "Did you mean 'values'",
        (fit, "ate"): "Use params",
        (fit, "weights"): "It offers params, vcov",
        (fit, "oarams"): "Did you mean 'params'",
    }
    for (result, name), said in asked.items():
        with pytest.raises(AttributeError, match=f"no attribute '{name}'") as caught:
            getattr(result, name)
        assert said in str(caught.value), name
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert not {"vcov", "test", "offers", "lacks"} & set(dir(weights))
    assert {"params", "vcov", "residuals", "nobs"} <= set(dir(fit))


def test_what_nobody_knows_has_no_hint():
    assert hint("verb", "zzz") == hint("result", "zzz") == hint("nonsense", "ols") == ""


def test_hints_name_only_what_exists():
    said = " ".join(text for table in _TABLES.values() for text in table)
    assert [verb for verb in set(re.findall(r"si\.(\w+)", said)) if not hasattr(si, verb)] == []
    fit = si.lm("mpg ~ wt", si.datasets.load("mtcars"))
    assert [name for name in set(re.findall(r"fit\.([a-z_]+)", said)) if name != "si" and not hasattr(fit, name)] == []


def test_no_spelling_has_two_answers_or_hides_a_public_name():
    for kind, table in _TABLES.items():
        if kind == "result":  # results differ in what they have: the first that one has is said
            continue
        names = [plain(name) for names in table.values() for name in names.split()]
        assert len(names) == len(set(names)), kind
    # A public name is found before any hint is looked up
    assert all(getattr(si, name) is not None for name in si.__all__)


def test_no_hint_names_an_option_that_the_method_lacks():
    data = si.datasets.load("mtcars")
    with pytest.raises(si.OptionError) as refused:
        si.density_ratio("~ wt", data, data, max_iter=3)
    assert "max_iter=." not in str(refused.value)
    with pytest.raises(si.OptionError, match="The limit on iterations is max_iter="):
        si.glm("am ~ wt", data, family="binomial", maxit=3)


MTCARS = si.datasets.load("mtcars")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: si.lm("mpg ~ wt", MTCARS).conf_int(alpha=0.1), "cover is level="),
        (lambda: si.lm("mpg ~ wt", MTCARS).conf_int(replicas=99), "goes with bootstrap='wild'"),
        (lambda: si.lm("mpg ~ wt", MTCARS, cluster="cyl + gear"), r"a list: \['cyl', 'gear'\]"),
        (lambda: si.glm("am ~ wt", MTCARS, family="logit"), 'family="binomial"'),
        (lambda: si.glm("am ~ wt", MTCARS, family="binomal"), "Did you mean 'binomial'"),
        (lambda: si.glm("am ~ wt", MTCARS, family=print), "given by its name"),
        (lambda: si.balance("am ~ wt", MTCARS, estimand="treated"), "estimand='treated' is not known"),
        (lambda: si.iv("mpg ~ wt + cyl | hp + cyl", MTCARS), r"as 'y ~ d \| x \| z'"),
        (lambda: si.iv("mpg ~ 1 + cyl + [wt ~ hp]", MTCARS), r"'outcome ~ treatment \| covariates \| instruments'"),
        (lambda: si.iv("mpg ~ cyl | wt ~ hp", MTCARS), r"'outcome ~ treatment \| covariates \| instruments'"),
    ],
)
def test_a_foreign_way_to_ask_is_answered_with_ours(asked, said):
    with pytest.raises(si.StatinfError, match=said):
        asked()


@pytest.mark.parametrize(
    ("spelled", "family"),
    [
        ("Normal", "gaussian"),
        ("bernoulli", "binomial"),
        ("binomial()", "binomial"),
        ("inverse.gaussian", "inverse_gaussian"),
    ],
)
def testplain_spellings_of_families_are_taken(spelled, family):
    one, other = (
        si.glm("mpg ~ wt" if "gaussian" in family else "am ~ wt", MTCARS, family=f) for f in (spelled, family)
    )
    assert one.params.to_dict() == other.params.to_dict()
    assert one.family == family
