"""statsmodels_numbers.json: MNLogit and OrderedModel of statsmodels, in this folder: python make.py."""

import json


def main() -> None:
    import numpy as np
    import pandas as pd
    import statsmodels
    import statsmodels.api as sm
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    d = pd.read_csv("limited.csv")
    X = pd.DataFrame({"x": d.x, "z": d.z, "gq": (d.g == "q") * 1.0, "gr": (d.g == "r") * 1.0})
    codes = pd.Categorical(d.choice).codes
    out = {"versions": {"statsmodels": statsmodels.__version__, "numpy": np.__version__}}
    design = sm.add_constant(X)
    kinds = {
        "iid": {},
        "HC0": {"cov_type": "HC0"},
        "cluster": {"cov_type": "cluster", "cov_kwds": {"groups": d.id, "use_correction": True}},
    }
    for kind, options in kinds.items():
        fit = sm.MNLogit(codes, design).fit(method="newton", tol=1e-14, maxiter=200, disp=0, **options)
        out[f"MNLogit {kind}"] = {
            "coef": fit.params.to_numpy().T.tolist(),
            "vcov": np.asarray(fit.cov_params()).tolist(),
        }
    effects = sm.MNLogit(codes, design).fit(method="newton", tol=1e-14, maxiter=200, disp=0).get_margeff(at="overall")
    out["MNLogit effects"] = {"x": effects.margeff[0].tolist(), "errors": effects.margeff_se[0].tolist()}
    for link in ("logit", "probit"):
        fit = OrderedModel(d.grade, X, distr=link).fit(method="bfgs", gtol=1e-10, maxiter=2000, disp=0)
        cuts = fit.model.transform_threshold_params(fit.params)[1:-1]
        errors = fit.bse.to_numpy()[: X.shape[1]]
        out[f"OrderedModel {link}"] = {"coef": fit.params.to_numpy()[: X.shape[1]].tolist(), "cuts": cuts.tolist(),
                                       "errors": errors.tolist(), "loglik": fit.llf}  # fmt: skip
    with open("statsmodels_numbers.json", "w") as file:
        json.dump(out, file, indent=1)


if __name__ == "__main__":
    main()
