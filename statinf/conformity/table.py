"""The methods of `si.conformal`, `si.conformal_select` and `si.veracity`."""

from __future__ import annotations

from statinf.results import MethodTable

CONFORMAL = MethodTable(
    "conformal",
    {
        "split": "statinf.conformity.split",
        "cqr": "statinf.conformity.cqr",
        "jackknife": "statinf.conformity.jackknife",
        "jackknife+": "statinf.conformity.jackknife",
        "jackknife-minmax": "statinf.conformity.jackknife",
        "cv+": "statinf.conformity.cv_plus",
        "cv-minmax": "statinf.conformity.cv_plus",
        "full": "statinf.conformity.full",
        "mondrian": "statinf.conformity.grouped",
        "localized": "statinf.conformity.localized",
        "conditional": "statinf.conformity.conditional",
        "pcp": "statinf.conformity.pcp",
        "cp2-pcp": "statinf.conformity.cp2_pcp",
        "cp2-hpd": "statinf.conformity.cp2_hpd",
        "cps": "statinf.conformity.cps",
        "lac": "statinf.conformity.lac",
        "aps": "statinf.conformity.aps",
        "raps": "statinf.conformity.raps",
        "class-conditional": "statinf.conformity.class_conditional",
        "dqr": "statinf.conformity.regions.dqr",
        "st-dqr": "statinf.conformity.regions.st_dqr",
    },
    shared=("model", "level", "weights", "seed", "na_action", "context", "progress"),
    aliases={
        **dict.fromkeys(("inductive", "icp"), "split"),
        **dict.fromkeys(("transductive", "tcp"), "full"),
        **dict.fromkeys(("localised", "rlcp"), "localized"),
        **dict.fromkeys(("score", "threshold", "thr"), "lac"),
        "plus": "jackknife+",
        "quantile": "cqr",
        "label-conditional": "class-conditional",
    },
)
CONFORMAL_ONLINE = MethodTable(
    "conformal_online",
    {
        "aci": "statinf.conformity.online.aci",
        "dtaci": "statinf.conformity.online.dtaci",
        "agaci": "statinf.conformity.online.agaci",
        "sf-ogd": "statinf.conformity.online.sf_ogd",
        "saocp": "statinf.conformity.online.saocp",
        "enbpi": "statinf.conformity.online.enbpi",
    },
    shared=("time", "method", "model", "level", "seed", "na_action", "context", "progress"),
    aliases={"faci": "dtaci"},
)
CALIBRATE_ONLINE = MethodTable(
    "calibrate_online",
    {
        "ops": "statinf.conformity.forecasts.ops",
        "obs": "statinf.conformity.forecasts.obs",
        "platt": "statinf.conformity.forecasts.platt",
    },
    shared=("time", "method", "calibeat", "seed", "na_action", "context"),
    aliases={"beta": "obs", "windowed": "platt"},
)
CONFORMAL_SELECT = MethodTable(
    "conformal_select",
    {
        "cs": "statinf.conformity.selection.cs",
        "optcs-msel": "statinf.conformity.selection.optcs_msel",
        "optcs-full": "statinf.conformity.selection.optcs_full",
        "optcs-full-msel": "statinf.conformity.selection.optcs_full_msel",
    },
    shared=("threshold", "fdr", "models", "direction", "weights", "seed", "na_action", "context", "progress"),
    aliases={"wcs": "cs", "conformal-selection": "cs"},
)
VERACITY = MethodTable(
    "veracity",
    {"": "statinf.conformity.veracity.method"},
    shared=("model", "seed", "na_action", "context", "progress"),
)
MULTICALIBRATE = MethodTable(
    "multicalibrate",
    {"": "statinf.conformity.multicalibration.method"},
    shared=("init", "weights", "seed", "na_action", "context", "progress"),
)
TABLES = (CONFORMAL, CONFORMAL_SELECT, VERACITY, CONFORMAL_ONLINE, CALIBRATE_ONLINE, MULTICALIBRATE)
