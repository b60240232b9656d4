# Reference numbers of glm(). Run from tests/reference: Rscript r/glm.R
source("r/common.R")

h <- function(r, s = r) list(r = r, s = s)

infert_new <- data.frame(spontaneous = c(0, 1, 2, 0, 1), induced = c(0, 0, 1, 2, 1))
trees_new <- data.frame(girth = c(8, 10, 12, 15, 21), height = c(65, 70, 75, 80, 87))

cases <- list(
  list(name = "infert_logit", data = "infert.csv", family = "binomial", link = "logit",
       formula = "case ~ age + parity + education + induced + spontaneous", clusters = list("stratum"),
       newdata = data.frame(age = c(22, 27, 31, 35, 42), parity = c(1, 2, 3, 4, 1), induced = c(0, 1, 2, 0, 1),
                            education = c("0-5yrs", "6-11yrs", "12+ yrs", "6-11yrs", "12+ yrs"),
                            spontaneous = c(0, 1, 2, 0, 1)),
       hypotheses = list(h("induced = spontaneous"), h(c("age = 0", "parity = -1"))), delta = "induced/spontaneous"),
  list(name = "infert_logit_aliased", data = "infert.csv", family = "binomial", link = "logit",
       formula = "case ~ spontaneous + I(spontaneous + induced) + induced", newdata = infert_new,
       hypotheses = list(h("spontaneous = 0"))),
  list(name = "infert_probit", data = "infert.csv", family = "binomial", link = "probit",
       formula = "case ~ spontaneous + induced", clusters = list("stratum", c("age", "parity")), newdata = infert_new,
       hypotheses = list(h("induced = spontaneous")), delta = "induced/spontaneous"),
  list(name = "infert_cloglog", data = "infert.csv", family = "binomial", link = "cloglog",
       formula = "case ~ spontaneous + induced", clusters = list("stratum"), newdata = infert_new,
       hypotheses = list(h("induced = spontaneous")), delta = "induced/spontaneous"),
  list(name = "menarche_probit", data = "menarche.csv", family = "binomial", link = "probit", weights = "total",
       formula = "rate ~ age", newdata = data.frame(age = c(9, 11, 13, 15, 18)), hypotheses = list(h("age = 1"))),
  list(name = "menarche_cloglog", data = "menarche.csv", family = "binomial", link = "cloglog", weights = "total",
       formula = "rate ~ age", newdata = data.frame(age = c(9, 11, 13, 15, 18)), hypotheses = list(h("age = 1"))),
  list(name = "ucb_logit", data = "ucb.csv", family = "binomial", link = "logit", weights = "total",
       formula = "rate ~ gender + dept",
       newdata = data.frame(gender = c("Male", "Female", "Male", "Female", "Male"), dept = c("A", "B", "C", "D", "F")),
       hypotheses = list(h(c("deptB = 0", "deptC = deptD"), c("dept[T.B] = 0", "dept[T.C] = dept[T.D]"))),
       delta = "deptC/deptD"),
  list(name = "titanic_logit_zero_weights", data = "titanic.csv", family = "binomial", link = "logit", weights = "freq",
       formula = "survived ~ C(ticket) + sex + age", formula_r = "survived ~ factor(ticket) + sex + age",
       newdata = data.frame(ticket = c("1st", "2nd", "3rd", "Crew", "Crew"),
                            sex = c("Male", "Female", "Male", "Female", "Male"),
                            age = c("Adult", "Child", "Child", "Adult", "Adult")),
       hypotheses = list(h(c("factor(ticket)2nd = factor(ticket)3rd"), c("C(ticket)[T.2nd] = C(ticket)[T.3rd]")))),
  list(name = "insurance_poisson_offset", data = "insurance.csv", family = "poisson", link = "log",
       formula = "claims ~ C(district) + group + age + offset(log(holders))",
       formula_r = "claims ~ factor(district) + group + age + offset(log(holders))",
       newdata = data.frame(district = c(1L, 2L, 3L, 4L, 4L), group = c("g1", "g2", "g3", "g4", "g1"),
                            age = c("a1", "a2", "a3", "a4", "a2"), holders = c(50, 100, 200, 500, 1000)),
       hypotheses = list(h(c("groupg2 = groupg3"), "group[T.g2] = group[T.g3]")), delta = "groupg2/groupg3"),
  list(name = "insurance_poisson_rate", data = "insurance.csv", family = "poisson", link = "log", weights = "holders",
       formula = "rate ~ C(district) + group + age", formula_r = "rate ~ factor(district) + group + age",
       newdata = data.frame(district = c(1L, 2L, 3L, 4L, 4L), group = c("g1", "g2", "g3", "g4", "g1"),
                            age = c("a1", "a2", "a3", "a4", "a2")),
       hypotheses = list(h(c("groupg2 = groupg3"), "group[T.g2] = group[T.g3]"))),
  list(name = "epil_poisson_cluster", data = "epil.csv", family = "poisson", link = "log",
       formula = "y ~ lbase * trt + lage + v4", clusters = list("subject", c("subject", "period")),
       newdata = data.frame(lbase = c(-1, -0.5, 0, 0.5, 1.5), trt = c("placebo", "progabide", "placebo", "progabide", "placebo"),
                            lage = c(-0.4, -0.1, 0, 0.1, 0.4), v4 = c(0, 0, 1, 1, 0)),
       hypotheses = list(h("lbase = lage"), h(c("trtprogabide = 0", "lbase:trtprogabide = 0"),
                                              c("trt[T.progabide] = 0", "lbase:trt[T.progabide] = 0"))),
       delta = "lage/lbase"),
  list(name = "airquality_poisson_missing", data = "airquality.csv", family = "poisson", link = "log",
       formula = "ozone ~ temp + wind + I(temp + wind) + solar", clusters = list("day"),
       newdata = data.frame(solar = c(50, 100, 150, 200, 300), wind = c(5, 8, 10, 12, 15), temp = c(60, 70, 75, 80, 90)),
       hypotheses = list(h("temp = wind")), delta = "temp/wind"),
  list(name = "clotting_gamma_inverse", data = "clotting.csv", family = "Gamma", link = "inverse", formula = "lot1 ~ log(u)",
       newdata = data.frame(u = c(6, 12, 25, 50, 90)), hypotheses = list(h("log(u) = 0"))),
  list(name = "mtcars_gamma_inverse", data = "mtcars.csv", family = "Gamma", link = "inverse",
       formula = "mpg ~ wt + hp + C(am)", formula_r = "mpg ~ wt + hp + factor(am)",
       newdata = data.frame(wt = c(2, 2.5, 3, 3.5, 5), hp = c(70, 100, 150, 200, 250), am = c(1L, 1L, 0L, 0L, 0L)),
       hypotheses = list(h("wt = hp")), delta = "wt/hp"),
  list(name = "trees_gamma_log", data = "trees.csv", family = "Gamma", link = "log",
       formula = "volume ~ log(girth) + log(height)", newdata = trees_new,
       hypotheses = list(h(c("log(girth) = 2", "log(height) = 1")))),
  list(name = "airquality_gamma_log_missing", data = "airquality.csv", family = "Gamma", link = "log",
       formula = "ozone ~ solar + wind + temp", clusters = list("day"),
       newdata = data.frame(solar = c(50, 100, 150, 200, 300), wind = c(5, 8, 10, 12, 15), temp = c(60, 70, 75, 80, 90)),
       hypotheses = list(h("wind = temp")), delta = "wind/temp"),
  list(name = "mtcars_gaussian_log", data = "mtcars.csv", family = "gaussian", link = "log", formula = "mpg ~ wt + hp",
       newdata = data.frame(wt = c(2, 2.5, 3, 3.5, 5), hp = c(70, 100, 150, 200, 250)),
       hypotheses = list(h("wt = hp")), delta = "wt/hp"),
  list(name = "state_gaussian_weights", data = "state.csv", family = "gaussian", link = "identity", weights = "population",
       formula = "murder ~ income + illiteracy + frost", clusters = list("division"),
       newdata = data.frame(income = c(3000, 4000, 4500, 5000, 6000), illiteracy = c(2.5, 2, 1, 0.7, 0.5),
                            frost = c(0, 20, 100, 150, 180)),
       hypotheses = list(h("income = frost")), delta = "illiteracy/frost"))

# The deviance is flat at the optimum, so a deviance criterion leaves up to 1e-7 in the coefficients where the
# link is not canonical: repeat single Fisher scoring steps until the coefficients stand still. A small epsilon
# instead would also shrink the QR tolerance (epsilon / 1000), so that aliased columns are no longer found.
fit_to_the_end <- function(formula, family, data, weights) {
  go <- function(...) suppressWarnings(do.call(glm, list(formula, family = family, data = data, weights = weights, ...)))
  fit <- go(control = glm.control(epsilon = 1e-12, maxit = 100))
  null_deviance <- fit$null.deviance # with an offset R fits the null model under the same control
  fit <- go(control = glm.control(epsilon = 1e-8, maxit = 100))
  for (i in 1:100) {
    start <- coef(fit)
    start[is.na(start)] <- 0
    last <- fit
    fit <- go(start = start, control = glm.control(epsilon = 1e-8, maxit = 1))
    change <- max(abs(coef(fit) / coef(last) - 1), na.rm = TRUE)
    if (change < 4e-16) break
  }
  fit$null.deviance <- null_deviance
  list(fit = fit, change = change)
}

predictions <- function(fit, newdata) {
  link <- suppressWarnings(predict(fit, newdata, type = "link", se.fit = TRUE))
  response <- suppressWarnings(predict(fit, newdata, type = "response", se.fit = TRUE))
  list(newdata = as.list(newdata), link = link$fit, link_se = link$se.fit, response = response$fit,
       response_se = response$se.fit)
}

record_glm <- function(case) {
  if (is.null(case$formula_r)) case$formula_r <- case$formula
  data <- read_data(case$data)
  text <- sprintf("glm(%s, family = %s(\"%s\"), data = read.csv(\"%s\", stringsAsFactors = TRUE)%s), then single scoring steps until the coefficients stand still",
                  case$formula_r, case$family, case$link, case$data,
                  if (is.null(case$weights)) "" else paste0(", weights = ", case$weights))
  w <- if (is.null(case$weights)) rep(1, nrow(data)) else data[[case$weights]]
  done <- fit_to_the_end(as.formula(case$formula_r), do.call(case$family, list(link = case$link)), data, w)
  fit <- done$fit
  s <- summary(fit)
  zeros <- any(w == 0)
  names_kept <- names(coef(fit))[!is.na(coef(fit))]
  # Zero weights: as in lm.R.
  robust_fit <- if (!zeros) fit else
    fit_to_the_end(as.formula(case$formula_r), fit$family, data[w > 0, ], w[w > 0])$fit
  V <- robust(robust_fit)
  named <- lapply(V, function(v) { dimnames(v) <- list(names_kept, names_kept); v })
  if (!is.null(case$clusters))
    named$cluster <- vcovCL(fit, cluster = as.data.frame(used_rows(fit, data)[case$clusters[[1]]]))
  out <- header(case, fit, data, text)
  out$family <- scalar(case$family)
  out$link <- scalar(case$link)
  out$last_relative_change <- scalar(done$change)
  out$vcov <- V
  if (zeros) out$vcov_from <- scalar("rows of positive weight")
  if (!is.null(case$clusters)) out$vcov_cluster <- clustered(fit, data, case$clusters)
  out$stats <- lapply(list(deviance = deviance(fit), null_deviance = fit$null.deviance, df_null = fit$df.null,
                           dispersion = s$dispersion, aic = AIC(fit), bic = BIC(fit),
                           loglik = as.numeric(logLik(fit)), loglik_df = attr(logLik(fit), "df"),
                           pearson_chisq = sum(residuals(fit, "pearson")^2)), scalar)
  out$tables <- lapply(named[intersect(c("const", "HC1", "cluster"), names(named))], function(v) table_under(fit, v))
  out$summary_table <- list(statistic = s$coefficients[, 3], p_value = s$coefficients[, 4],
                            reference = scalar(colnames(s$coefficients)[3]))
  out$prediction <- predictions(fit, case$newdata)
  rows <- 1:min(10, nrow(model.matrix(fit)))
  if (zeros) rows <- 1:nrow(model.matrix(fit))
  out$diagnostics <- c(list(rows = rows - 1, fitted = fitted(fit)[rows]),
                       setNames(lapply(c("deviance", "pearson", "working", "response"),
                                       function(type) residuals(fit, type)[rows]),
                                paste0("residuals_", c("deviance", "pearson", "working", "response"))))
  if (!zeros) out$diagnostics <- c(out$diagnostics, list(
    leverage = hatvalues(fit)[rows], cooks_distance = cooks.distance(fit)[rows],
    standardised_deviance = rstandard(fit)[rows], standardised_pearson = rstandard(fit, type = "pearson")[rows]))
  kinds <- intersect(c("const", "HC1", "cluster"), names(named))
  out$wald_tests <- unlist(lapply(case$hypotheses, function(hyp)
    lapply(kinds, function(k) wald(fit, hyp, named[[k]], k))), recursive = FALSE)
  out$delta_method <- unlist(lapply(case$delta, function(g)
    lapply(kinds, function(k) delta(fit, g, named[[k]], k))), recursive = FALSE)
  save_record(out, "r_glm")
}

for (case in cases) record_glm(case)
