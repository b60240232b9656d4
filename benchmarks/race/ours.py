"""Our side of each race: from the rows to named estimates with their standard errors."""

from __future__ import annotations

from typing import Any

from benchmarks.race.rows import TEN, TERMS, Rows

Found = dict[str, tuple[float, float]]


def _table(fit: Any) -> Found:
    made = fit.tidy()
    return {t: (e, s) for t, e, s in zip(made["term"], made["estimate"], made["std_error"], strict=True)}


def lm(rows: Rows) -> Found:
    import statinf as si

    return _table(si.lm(f"y ~ {TERMS}", rows.source))


def clusters(rows: Rows) -> Found:
    import statinf as si

    return _table(si.lm(f"y ~ {TERMS}", rows.source, vcov={"cluster": "g"}))


def logit(rows: Rows) -> Found:
    import statinf as si

    return _table(si.glm(f"b ~ {TERMS}", rows.source, family="binomial"))


def iv(rows: Rows) -> Found:
    import statinf as si

    return _table(si.iv(f"v ~ e | {TERMS} | z1 + z2", rows.source))


def rq(rows: Rows) -> Found:
    import statinf as si

    return _table(si.rq(f"y ~ {TEN}", rows.source))


def plr(rows: Rows) -> Found:
    import statinf as si
    from statinf.learners.linear import Ridge

    fit = si.effect(
        f"s ~ dose | {TERMS}", rows.source, method="plr", outcome_model=Ridge(1.0), treatment_model=Ridge(1.0)
    )
    return _table(fit)


def irm(rows: Rows) -> Found:
    import statinf as si
    from statinf.learners.linear import Ridge
    from statinf.learners.logit import Logit

    fit = si.effect(f"y ~ t | {TERMS}", rows.source, method="irm", outcome_model=Ridge(1.0), treatment_model=Logit(1.0))
    return _table(fit)


def conformal(rows: Rows) -> Found:
    import statinf as si

    made = si.conformal(f"y ~ {TERMS}", rows.source, model="linear", method="split", level=0.9)
    limits = made.predict(rows.new)
    return {"width": (float((limits["upper"] - limits["lower"]).mean()), float("nan"))}


def balance(rows: Rows) -> Found:
    import statinf as si

    weights = si.balance(f"t ~ {TERMS}", rows.source, method="entropy", estimand="ATT")
    return {"t": _table(si.lm("y ~ t", rows.source, weights=weights))["t"]}


def target_mean(rows: Rows) -> Found:
    import statinf as si

    return _table(si.target_mean(f"y ~ {TERMS}", rows.source, rows.target))


def lsa(rows: Rows) -> Found:
    import statinf as si

    return _table(si.lsa(f"y ~ {TERMS}", rows.source, replicas=0))
