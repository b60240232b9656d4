"""The steps of the tour: lines, sentences and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LeftBehind = Mapping[str, Any]
"""The names that the steps so far have left behind."""


@dataclass(frozen=True)
class TourStep:
    """A step of the tour: lines to run, and what to say and draw of the names that they leave behind.

    Attributes
    ----------
    name, title : str
    code : str
        Runs in one namespace with the steps before it.
    words : callable
        Names to sentences.
    caption : str
    draw : callable
        Names to matplotlib axes.
    """

    name: str
    title: str
    code: str
    words: Callable[[Mapping[str, Any]], str]
    caption: str
    draw: Callable[[Mapping[str, Any]], Any]


_BALANCE = """\
import numpy as np
import statinf as si

names = {"e401k": "eligible", "inc": "income", "nettfa": "wealth", "marr": "married"}
data = si.datasets.load("k401ksubs").rename(columns=names)
x = "income + I(income**2) + age + I(age**2) + married + fsize + pira"
weights = si.balance(f"eligible ~ {x}", data, method="entropy", estimand="ATT")"""

_EFFECT = """\
naive = si.lm("wealth ~ eligible", data)
weighted = si.lm("wealth ~ eligible", data, weights=weights)
learned = si.effect(f"wealth ~ eligible | {x}", data, method="irm", estimand="ATT")"""

_WHO = """\
quarters = ["lowest", "second", "third", "highest"]
cuts = data["income"].quantile([0.25, 0.5, 0.75])
data["quarter"] = np.array(quarters)[np.digitize(data["income"], cuts)]
who = si.cate(f"wealth ~ eligible | {x}", data, method="dr").gate("quarter")"""

_SETS = """\
mixed = data.sample(frac=1.0, random_state=0)
train, new = mixed[:6000], mixed[6000:]
sets = si.conformal(f"wealth ~ eligible + {x}", train, method="cqr", level=0.9)
coverage = sets.coverage(new, by="eligible", slab=None)"""

_TAILS = """\
levels = si.rq(f"wealth ~ eligible + {x}", data, tau=np.arange(1, 10) / 10)"""

_ELSEWHERE = """\
couples, singles = data[data["married"] == 1], data[data["married"] == 0]
z = "income + I(income**2) + age + I(age**2) + pira"
here = si.effect(f"wealth ~ eligible | {z}", couples, method="irm")
carried = si.transport(f"wealth ~ eligible | {z}", couples, singles)
there = si.effect(f"wealth ~ eligible | {z}", singles, method="irm")"""

_STREAM = """\
formula = "wealth ~ eligible + income + age + married + fsize + pira"
blocks = (mixed[i : i + 1000] for i in range(0, len(mixed), 1000))
stream = si.lsa(formula, blocks, expected_rows=len(mixed), replicas=500)
batch = si.lm(formula, data, vcov="HC0")"""


def _within(fit: Any, term: str = "eligible", digits: int = 1) -> str:
    """An estimate with its interval, as "10.5 [6.9, 14.1]"."""
    low, high = fit.conf_int().loc[term]
    return f"{fit.params[term]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _balance(names: LeftBehind) -> str:
    data, w = names["data"], names["weights"]
    earned = data.groupby("eligible")["income"].mean()
    table = w.diagnostics()
    before, after = table["smd_before"].abs().max(), table["smd_after"].abs().max()
    controls = w.sizes_frame().iloc[1]
    return (
        f"Of {len(data):,} households the eligible earn {earned[1]:.1f} a year, the others {earned[0]:.1f}: a plain "
        f"comparison would compare the rich with the less rich. Entropy weights give the others the means of the eligible in "
        f"every column: the largest standardised difference falls from {before:.2f} to {after:.4f}. The price is precision: "
        f"{int(controls['rows']):,} households now count as {controls['ess_after']:,.0f}."
    )


def _effect(names: LeftBehind) -> str:
    naive, weighted, learned = names["naive"], names["weighted"], names["learned"]
    share = 1.0 - weighted.params["eligible"] / naive.params["eligible"]
    return (
        f"Eligible households own {_within(naive)} more. Among households made comparable the difference is "
        f"{_within(weighted)}, and double machine learning, which models wealth as well, says {_within(learned)}: "
        f"{share:.0%} of the plain difference came from who is eligible and not from eligibility. The standard errors account "
        f"for weights and models that were estimated."
    )


def _who(names: LeftBehind) -> str:
    who, order = names["who"], names["quarters"]
    poor, rich = (f"eligible[{name}]" for name in (order[0], order[-1]))
    test = who.test(f"{rich} = {poor}")
    known = "is more than chance" if float(test.p_value) < 0.05 else "could be chance"
    return (
        f"The average hides who gains. In the lowest quarter of incomes eligibility is worth {_within(who, poor)}, in the "
        f"highest {_within(who, rich)}; the gap {known} (p = {float(test.p_value):.2g})."
    )


def _sets(names: LeftBehind) -> str:
    table = names["coverage"].set_index("label")
    whole = names["coverage"].iloc[0]
    limits, high = names["sets"].predict(names["new"]), names["new"]["income"] > names["new"]["income"].median()
    width = limits["upper"] - limits["lower"]
    return (
        f"An average effect says little about one household. Intervals that hold the wealth of a new household with a "
        f"probability of 0.9, whatever the model, held it in {whole['coverage']:.1%} of {int(whole['n']):,} households that the "
        f"fit had not seen [{whole['conf_low']:.1%}, {whole['conf_high']:.1%}]. They are {table.loc['1', 'length']:.0f} wide on "
        f"average for the eligible and {table.loc['0', 'length']:.0f} for the others, {width[high].mean():.0f} above the median "
        f"income and {width[~high].mean():.0f} below it."
    )


def _tails(names: LeftBehind) -> str:
    levels = names["levels"].tidy()
    row = levels[levels["term"] == "eligible"].set_index("tau")
    said = {
        tau: f"{row.loc[tau, 'estimate']:.1f} [{row.loc[tau, 'conf_low']:.1f}, {row.loc[tau, 'conf_high']:.1f}]"
        for tau in (0.1, 0.5, 0.9)
    }
    return (
        f"Given income and family, eligibility moves the tenth percentile of wealth by {said[0.1]}, the median by {said[0.5]} "
        f"and the 90th percentile by {said[0.9]}. The average of the second step hides this: the effect at the "
        f"90th percentile is {row.loc[0.9, 'estimate'] / row.loc[0.5, 'estimate']:.1f} times that at the median."
    )


def _elsewhere(names: LeftBehind) -> str:
    here, carried, there = names["here"], names["carried"], names["there"]
    gap = carried.params["eligible"] - there.params["eligible"]
    z = abs(gap) / (carried.std_errors["eligible"] ** 2 + there.std_errors["eligible"] ** 2) ** 0.5
    agree = "agree within their errors" if z < 1.96 else "differ by more than their errors"
    facts = dict(carried.summary().facts)
    plain, eligible = (float(facts[f"Effective sample, {arm}"]) for arm in (0, 1))
    earned = {name: names[name]["income"].mean() for name in ("couples", "singles")}
    return (
        f"Suppose that wealth were known for couples only, where the effect is {_within(here)}, and wanted for singles, who "
        f"earn {earned['singles']:.0f} a year instead of {earned['couples']:.0f}. Carried over by models of wealth and of who is "
        f"single it is {_within(carried)}; the singles' own data say {_within(there)}. The two {agree} (z = {z:.1f}). Only couples "
        f"who look like singles can speak for them: weighted that way, the {len(names['couples']):,} couples are worth "
        f"{plain:,.0f} without eligibility and {eligible:,.0f} with it."
    )


def _stream(names: LeftBehind) -> str:
    stream, batch = names["stream"], names["batch"]
    apart = abs(stream.params["eligible"] - batch.params["eligible"]) / batch.std_errors["eligible"]
    return (
        f"The same households as a stream, each seen once and forgotten: the regression says {_within(stream)} for "
        f"eligibility, and a regression on all rows in memory {_within(batch)}: {apart:.1f} standard errors apart. The "
        f"interval can be read at any time, and the next block continues the fit."
    )


STEPS = (
    TourStep(
        "balance",
        "Balance: make the two groups comparable",
        _BALANCE,
        _balance,
        "Standardised mean differences of the eligible and the others, before and after weighting.",
        lambda n: n["weights"].plot(),
    ),
    TourStep(
        "effect",
        "Effect: what eligibility does on average",
        _EFFECT,
        _effect,
        "Wealth by eligibility, in thousand dollars: plain, weighted, and by double machine learning.",
        lambda n: n["naive"].plot(
            others=[n["weighted"], n["learned"]],
            names=["plain difference", "entropy weights", "double machine learning"],
            keep=["eligible"],
        ),
    ),
    TourStep(
        "who",
        "For whom: the effect by income",
        _WHO,
        _who,
        "Effect of eligibility by quarter of income, in thousand dollars, with 95% intervals.",
        lambda n: n["who"].plot(order=[f"eligible[{name}]" for name in n["quarters"]]),
    ),
    TourStep(
        "sets",
        "Prediction sets: what one household may own",
        _SETS,
        _sets,
        "Intervals of 300 new households with a coverage of 0.9, and what the households own (points).",
        lambda n: n["sets"].plot("band", newdata=n["new"].query("income < 100").head(300), x="income"),
    ),
    TourStep(
        "tails",
        "Tails: the effect at each level of wealth",
        _TAILS,
        _tails,
        "Effect of eligibility on the quantiles of wealth, in thousand dollars.",
        lambda n: n["levels"].plot(terms=["eligible"]),
    ),
    TourStep(
        "elsewhere",
        "Elsewhere: from couples to singles",
        _ELSEWHERE,
        _elsewhere,
        "Effect in thousand dollars: of couples, carried over to singles, and of singles from their own wealth.",
        lambda n: n["here"].plot(
            others=[n["carried"], n["there"]], names=["couples", "carried to singles", "singles"], keep=["eligible"]
        ),
    ),
    TourStep(
        "stream",
        "As a stream: each row seen once",
        _STREAM,
        _stream,
        "The coefficient of eligibility as rows arrive, with its 95% interval.",
        lambda n: n["stream"].plot("path", terms=["eligible"]),
    ),
)
