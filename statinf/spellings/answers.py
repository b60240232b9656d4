"""What other packages call the attributes and methods of a fit.

An entry opens with the name that works here. A guess may stand in several, the likeliest first: results differ in what they have.
"""

from __future__ import annotations

# Each entry: what to write here, and the names elsewhere, without case, underscores and dots.
RESULTS = {
    "values, an array of a weight for each row": (
        "weights w wts wt weight getweights importanceweights ratio ratios densityratio"
    ),
    "w_treat and w_control, weights for each row": "weights w wts wt values",
    "propensity": "ps pscore pscores propensityscore propensityscores ehat e",
    "ess, the effective sample size": "ess effectivesamplesize neff kish effn",
    'values as weights: si.balance_table("treat ~ x", data, weights=w)': "balance baltab balancetable covbal smd balanced",
    "coverage(newdata)": "empiricalcoverage coveragescore evaluate",
    "cate, an effect for each row, or predict(newdata)": (
        "effect effects hte ite tau tauhat cates consteffect constmarginaleffect predicteffect effectinference estimates"
    ),
    "ate()": "averageeffect averagetreatmenteffect att atc ato",
    "first_stage()": "firststage fstat firststagef weakiv f partialr2",
    "wu_hausman()": "hausman dwh endogeneity wuhausmantest endogtest",
    "overid()": "sargan hansen jtest jstat sargantest hansentest overidtest overidentification",
    "anderson_rubin()": "ar artest weakivrobust",
    'aggregate("dynamic")': "aggte eventstudy dynamic es overall simple",
    "group_time()": "attgt grouptime gt",
    "pretrends()": "pretest paralleltrends pretrendtest",
    "bandwidth": "bw bws h b bandwidths_",
    "bins": "rdplot binscatter",
    "quantile(newdata)": "ppf quantiles predictquantile predictquantiles icdf",
    "cdf(newdata)": "predictcdf ecdf distribution",
    "logpdf(newdata)": "logprob logscore pdf nll loglik",
    "parameters(newdata)": "preddist predictdist predictparameters distparams params",
    "importances()": "featureimportances featureimportance importance varimp vip",
    "path": "history trace track trajectory losses",
    "alarms": "detections drifts changepoints driftdetected detected",
    "update(rows)": "partialfit learnone fitmore addrows more",
    "p_values": "pvalues pvalue pval pvals p",
    "selected": "selection chosen rejected rejections indices discoveries",
    "flagged": "outliers errors issues labelissues",
    "shares": "prior priors prevalence proportions targetprior",
    "matches()": "matchmatrix matched pairs matcheddata",
    "penalty": "lambda lambdas alpha alphas strength lam",
    "sizes()": "n counts groupsizes",
    "params": "coef coefs coefficients beta betas theta_ estimate estimates slope b effect effects ate att atc ato",
    "params (the intercept is among them)": "intercept",
    "std_errors": "se ses bse stderr stderrs stderror standarderror standarderrors secoef serrors",
    "pvalues": "pvalue pval pvals p",
    "statistics": "tvalues tvalue tstat tstats tstatistic tstatistics zvalues zstat zstats zscores",
    "conf_int(level=0.95)": "confint ci cis confidenceinterval confidenceintervals interval confints",
    "predict_set(newdata), or predict(newdata), whose columns hold the limits": (
        "predictset predictinterval predictintervals predictioninterval predictionsets intervals interval sets forecast "
        "predictions confint confints ci cis getprediction"
    ),
    "vcov": "covparams covariance covmatrix covparamsdefault varcov varcovar",
    "glance()": (
        "r2 rsquared rsquaredadj adjr2 adjrsquared aic bic llf loglik loglikelihood logl deviance nulldeviance fvalue "
        "fpvalue fstatistic scale mseresid rmse ssr ess dfmodel pseudorsquared prsquared fitstatistics score"
    ),
    "nobs": "n nobservations numobs observations",
    "augment(), whose columns hold fitted values and residuals": (
        "resid resids residuals fittedvalues fitted yhat fittedvalue predicted hat hatvalues influencemeasures "
        "getinfluence cooksdistance leverage"
    ),
    'predict(newdata, interval="confidence")': (
        "getprediction prediction predictions predictinterval predictproba forecast predictset"
    ),
    "summary()": "summary2 print show report display tostring",
    "tidy()": "summaryframe summarytable coeftable coeftest frame toframe todataframe topandas results",
    'with_vcov("HC3"), or with_vcov({"cluster": "id"})': (
        "getrobustcovresults robust robustcov vcovhc vcovcl cluster clustered covtype withcovtype usevcov"
    ),
    'test("x1 = x2, x3 = 0")': "wald waldtest ftest ttest linearhypothesis hypothesis hypotheses lincom comparecoef",
    "bootstrap(replicas=999)": "boot bootstrapci resample",
    'test("x = 0", bootstrap="wild")': "wildboottest boottest wildbootstrap",
    'adjust("holm")': "padjust multipletests multtest rwolf romanowolf glht adjustp pvalueadjust",
    'randomization_test("treat")': "ritest randomisationtest permutationtest permtest randomizationinference",
    'test("x", equivalence=(-0.1, 0.1))': "tost equivalence equivalencetest",
    "draws, after bootstrap()": "posterior samples replicates bootstrapdraws",
    "summary().to_latex()": "tolatex aslatex latex",
    "summary().to_html()": "tohtml ashtml html",
    "summary().to_markdown()": "tomarkdown asmarkdown markdown totext astext tocsv ascsv",
    'save("fit.si")': "topickle dump write savefit saverds",
    "tidy(exponentiate=True)": "rrr relativeriskratios oddsratios oddsratio exponentiate or_",
    "plot()": "plotcoef coefplot plotcoefficients iplot plotloading loveplot",
    "transform(lambda b: ...), the delta method": "nlcom deltamethod",
    "slopes(), with comparisons() and predictions() beside it": "margins getmargeff margeff avgslopes marginaleffects ame dydx",
    'comparisons("treat"), with slopes() and predictions() beside it': "avgcomparisons contrasts emmeans gcomputation",
    'predictions(by="group")': "avgpredictions adjustedpredictions lsmeans marginalmeans ggpredict",
    'slopes("x", condition="z").plot()': "plotslopes marginsplot plotpredictions plotcomparisons",
}
