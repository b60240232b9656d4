# Reference numbers of counts, quasi families, penalties, kinds of weights and profile limits.
# Run from tests/reference: Rscript r/counts.R; writes counts.json
source("r/common.R")
suppressPackageStartupMessages({library(MASS); library(glmnet); library(survey)})
tight <- glm.control(epsilon = 1e-15, maxit = 200)

facts <- function(m, dispersion = summary(m)$dispersion) list(
  coefficients = coef(m), vcov = vcov(m), deviance = scalar(deviance(m)), null_deviance = scalar(m$null.deviance),
  dispersion = scalar(dispersion), loglik = scalar(as.numeric(logLik(m))), aic = scalar(AIC(m)),
  hc0 = vcovHC(m, type = "HC0"), hc1 = vcovHC(m, type = "HC1"), hc3 = vcovHC(m, type = "HC3"),
  deviance_residuals = residuals(m, "deviance")[1:6], pearson_residuals = residuals(m, "pearson")[1:6], cooks = unname(cooks.distance(m)[1:6]))
negbin <- function(...) {
  m <- glm.nb(..., control = tight)
  c(facts(m), list(theta = scalar(m$theta), se_theta = scalar(m$SE.theta),
                   profile = unname(confint(profile(m, del = 0.02, maxsteps = 1000)))))
}
limits <- function(m) unname(confint(profile(m, del = 0.01, maxsteps = 2000)))

mtcars$share <- mtcars$disp / 500
bin <- glm(am ~ wt + hp, binomial, mtcars, control = tight)
pois <- glm(carb ~ wt + hp, poisson, mtcars, control = tight)
net <- function(family, y, x, alpha, lambda, weights = rep(1, length(y))) {
  g <- glmnet(x, y, family = family, weights = weights, alpha = alpha, lambda = lambda, thresh = 1e-16, maxit = 1e7)
  c(g$a0, as.numeric(g$beta))
}
x <- as.matrix(mtcars[, c("wt", "hp", "qsec", "drat")])
one <- svydesign(ids = ~1, weights = ~gear, data = mtcars)
psu <- svydesign(ids = ~carb, weights = ~gear, data = mtcars)
survey_fit <- function(f, family) {
  a <- svyglm(f, one, family = family, control = tight)
  b <- svyglm(f, psu, family = family, control = tight)
  list(coefficients = coef(a), rows = vcov(a), clusters = vcov(b))
}
record <- list(
  quine = negbin(Days ~ Sex + Age, data = quine), quine_sqrt = negbin(Days ~ Sex + Age, data = quine, link = sqrt),
  quine_quasi = facts(glm(Days ~ Sex + Age, quasipoisson, quine, control = tight)),
  menarche = facts(glm(cbind(Menarche, Total - Menarche) ~ Age, binomial, menarche, control = tight)),
  menarche_quasi = facts(glm(cbind(Menarche, Total - Menarche) ~ Age, quasibinomial, menarche, control = tight)),
  share = facts(glm(share ~ wt + hp, quasibinomial, mtcars, control = tight)),
  inverse_gaussian_log = facts(glm(mpg ~ wt + hp, inverse.gaussian("log"), mtcars, control = tight)),
  inverse_gaussian = facts(glm(mpg ~ wt + hp, inverse.gaussian, mtcars, control = tight)),
  profile_binomial = limits(bin), profile_poisson = limits(pois),
  net_binomial = rbind(net("binomial", mtcars$am, x, 0, 0.05), net("binomial", mtcars$am, x, 0.5, 0.05),
                       net("binomial", mtcars$am, x, 1, 0.05)),
  net_poisson = rbind(net("poisson", mtcars$carb, x, 0, 0.1), net("poisson", mtcars$carb, x, 0.5, 0.1),
                      net("poisson", mtcars$carb, x, 1, 0.1)),
  net_gaussian = net("gaussian", mtcars$mpg, x, 1, 0.5, mtcars$gear),
  survey_gaussian = survey_fit(mpg ~ wt + hp, gaussian()), survey_binomial = survey_fit(vs ~ wt, quasibinomial()),
  survey_poisson = survey_fit(carb ~ wt + hp, quasipoisson()),
  versions = list(R = R.version.string, MASS = as.character(packageVersion("MASS")),
                  glmnet = as.character(packageVersion("glmnet")), survey = as.character(packageVersion("survey")),
                  sandwich = as.character(packageVersion("sandwich"))))
writeLines(to_json(record), "counts.json")
