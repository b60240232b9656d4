"""What other packages call our options."""

from __future__ import annotations

# Each entry: what to write here, and the names elsewhere, without case, underscores and dots.
OPTIONS = {
    "The share that intervals cover is level=, such as level=0.95 for alpha=0.05; tables take it as fit.conf_int(level=0.9).": (
        "alpha conflevel confidence confidencelevel cilevel coverage miscoverage siglevel prob"
    ),
    'The covariance is vcov=, such as vcov="HC1" or vcov={"cluster": "id"}.': (
        "covtype covkwds setype vcovtype robust covariance cov vce errors stderror usecorrection"
    ),
    'Clusters are cluster="id", or vcov={"cluster": "id"}.': (
        "clusters clustervar clusterid clustervars cl clusterby clusterentity crv1 idvar"
    ),
    "Limits of a censored outcome are lower= and upper=, numbers, columns or None.": (
        "ll ul left right leftlimit rightlimit censoring limits lowerlimit upperlimit censor"
    ),
    "The order of an outcome's classes is levels=, such as levels=['low', 'mid', 'high'].": "categories order ordering",
    "Units are id=, periods time= and first treated periods cohort=.": (
        "idname tname gname unitname timename cohortname firsttreat firsttreatname idcol timecol unitid"
    ),
    'The estimator is method=, such as method="dr".': "estmethod estimationmethod",
    "Rows of units that are missing at some periods: unbalanced=.": "allowunbalancedpanel balancepanel panel",
    "Groups of rows are by=.": "group groupby strata stratum subgroup subset split fsplit",
    "The level of a quantile is tau=, such as tau=[0.1, 0.5, 0.9].": "quantile quantiles q taus percentile percentiles",
    "Random numbers come from seed=, an integer.": "randomstate randomseed rng rngseed key generator",
    "The number of draws is replicas=.": "nboot nbootstrap reps boots nreps numboot bootiterations nsim nsims bootreps",
    "The kind of random weights is law=.": "weightslaw weighttype bootweights distributionofweights",
    "Cross-fitting is set by folds=, a number or an array of fold ids.": "nfolds cv k nsplits kfold crossfit kfolds",
    "Rows with missing values: na_action= is 'drop' or 'raise'.": "missing na narm nanpolicy naomit dropna",
    "Weights of rows are weights=, an array, a column's name or the result of si.balance.": (
        "weight sampleweight sampleweights w wts wt pweights pweight fweights freqweights varweights aweights sw"
    ),
    "The model of the outcome is outcome_model=, for both models learner=.": (
        "modely mll mlg outcomelearner learnery qmodel outcome modelregression modelsy"
    ),
    "The model of the treatment is treatment_model=, for both models learner=.": (
        "modelt mlm mld psmodel propensitymodel modelpropensity learnert gmodel treatmentlearner"
    ),
    "A model is learner= for effects, model= for conformal sets and models= for ensembles.": (
        "estimator basemodel baselearner baseestimator regressor classifier sllibrary"
    ),
    'The distribution is family=, such as family="poisson".': "distribution dist",
    "The number of boosting iterations is n_estimators=.": "ntrees numtrees nrounds ntree numboostround",
    "The share of each boosting step is learning_rate=.": "shrinkage",
    "The depth of trees is depth=.": "maxdepth",
    "The limit on iterations is max_iter=.": "maxiter maxiterations niter maxit iterations numiter iter maxiters",
    "The stopping rule is tol=.": "tolerance eps epsilon ftol gtol xtol rtol atol converge",
    "The bar of progress is progress=True or False.": "verbose disp trace quiet silent printlevel showprogress",
    "The width of a kernel is bandwidth=.": "bw h kernelwidth lengthscale sigma",
    'How bandwidths are chosen is bandwidth=, such as bandwidth="mserd".': "bwselect bwmethod optcriterion",
    "The bandwidth of a bias is bias_bandwidth=.": "b",
    "The order of a local polynomial is order=, that of its bias bias_order=.": "p poly polyorder",
    "The place of a discontinuity is cutoff=.": "c cutpoint",
    "Neighbours behind vcov='NN' are neighbours=.": "nnmatch",
    'Covariates stand in the formula, such as "y ~ running | x".': "covs",
    "The number of penalties of a path is nlambda=.": "nlam numlambda npenalties nalphas numpenalties lambdas",
    "The smallest penalty of a path over the largest is lambda_min_ratio=.": "lambdaminratio minratio lambdamin",
    "What weights mean is weights_kind=, 'precision', 'frequency' or 'probability'.": "weightskind wtype iweights kindofweights",
    "The strength of a penalty is strength=, a number or 'cv'.": "penaltyweight l1penalty regparam",
    "The penalty on squares is ridge=.": "l2 lambda lam regularization l2penalty ridgepenalty",
    "The level that others are compared with is reference=.": "ref referencelevel baseline control base controlgroup",
    "The level that counts as treated is treated=.": "focal treatlevel treatedlevel treatmentlevel treatment treat",
    "Functions that a formula uses by name are context={'f': f}.": "env environment evalenv namespace",
    'Fixed effects are absorb=, such as absorb="firm + year", in si.lm, si.glm and si.iv; else write C(firm) in the formula.': (
        "fe fixedeffects absorb effects entity entityeffects timeeffects fixef fes"
    ),
    "Work is spread over the cores without asking; leave it out.": "njobs ncores cores nthreads parallel workers",
    "An intercept is there unless the formula says '- 1'.": "fitintercept addconstant constant intercept const",
    "The step size of a network is rate=.": "lr learningrate stepsize learnrate",
    "Units of hidden layers are hidden=, such as hidden=(64, 64).": (
        "width widths hiddenlayersizes hiddenlayers hiddensizes layers units neurons hiddenunits"
    ),
    "The most passes over the rows is epochs=.": "nepochs numepochs maxepochs nepoch epoch",
    "Rows per step are batch=.": "batchsize minibatch minibatchsize",
    "How a coefficient table looks is said to its table: si.table(fit, digits=3).": "digits stars",
}
