# Reference numbers of lm(). Run from tests/reference: Rscript r/lm.R
source("r/common.R")
library(splines)

h <- function(r, s = r) list(r = r, s = s)

cases <- list(
  list(name = "mtcars_factor", data = "mtcars.csv", formula = "mpg ~ wt + hp + C(cyl)",
       formula_r = "mpg ~ wt + hp + factor(cyl)",
       newdata = data.frame(wt = c(2, 2.5, 3, 3.5, 5), hp = c(70, 100, 150, 200, 250), cyl = c(4L, 4L, 6L, 8L, 8L)),
       hypotheses = list(h("wt = hp"), h(c("wt = -3", "hp = 0")),
                         h(c("factor(cyl)6 = 0", "factor(cyl)8 = 0"), c("C(cyl)[T.6] = 0", "C(cyl)[T.8] = 0"))),
       delta = c("wt/hp", "exp(hp)*wt^2")),
  list(name = "warpbreaks_interaction", data = "warpbreaks.csv", formula = "breaks ~ wool * tension",
       newdata = data.frame(wool = c("A", "A", "A", "B", "B"), tension = c("L", "M", "H", "L", "H")),
       hypotheses = list(h(c("woolB:tensionL = 0", "woolB:tensionM = 0"),
                           c("wool[T.B]:tension[T.L] = 0", "wool[T.B]:tension[T.M] = 0"))),
       delta = c("tensionL/tensionM", "tensionL - woolB")),
  list(name = "state_weights", data = "state.csv", weights = "population",
       formula = "murder ~ income + illiteracy + frost", clusters = list("division"),
       newdata = data.frame(income = c(3000, 4000, 4500, 5000, 6000), illiteracy = c(2.5, 2, 1, 0.7, 0.5),
                            frost = c(0, 20, 100, 150, 180)),
       hypotheses = list(h("income = frost"), h(c("income = 0", "frost = -0.01"))), delta = "illiteracy/frost"),
  list(name = "state_zero_weights", data = "state.csv", weights = "population0",
       formula = "murder ~ income + illiteracy + frost", clusters = list("division"),
       newdata = data.frame(income = c(3000, 4000, 4500, 5000, 6000), illiteracy = c(2.5, 2, 1, 0.7, 0.5),
                            frost = c(0, 20, 100, 150, 180)),
       hypotheses = list(h("income = frost")), delta = "illiteracy/frost"),
  list(name = "cars_no_intercept", data = "cars.csv", formula = "dist ~ speed + I(speed**2) - 1",
       formula_r = "dist ~ speed + I(speed^2) - 1", newdata = data.frame(speed = c(5, 10, 15, 20, 30)),
       hypotheses = list(h("speed = 0")), delta = "speed^2"),
  list(name = "insectsprays_no_intercept", data = "insectsprays.csv", formula = "count ~ C(spray) - 1",
       formula_r = "count ~ factor(spray) - 1", newdata = data.frame(spray = c("A", "B", "C", "D", "F")),
       hypotheses = list(h("factor(spray)A = factor(spray)B", "C(spray)[A] = C(spray)[B]"))),
  list(name = "mtcars_poly", data = "mtcars.csv", formula = "mpg ~ poly(hp, 3) + wt",
       newdata = data.frame(hp = c(60, 100, 150, 200, 340), wt = c(2, 2.5, 3, 3.5, 5)),
       hypotheses = list(h(c("poly(hp, 3)2 = 0", "poly(hp, 3)3 = 0"), c("poly(hp, 3)[2] = 0", "poly(hp, 3)[3] = 0")))),
  list(name = "airquality_bs", data = "airquality.csv", formula = "ozone ~ bs(temp, df=5) + wind",
       newdata = data.frame(temp = c(57, 65, 77.5, 85, 96), wind = c(5, 8, 10, 12, 15)),
       hypotheses = list(h("wind = 0"))),
  list(name = "trees_log_offset", data = "trees.csv", formula = "log(volume) ~ log(girth) + offset(log(height))",
       newdata = data.frame(girth = c(8, 10, 12, 15, 21), height = c(65, 70, 75, 80, 87)),
       hypotheses = list(h("log(girth) = 2"))),
  list(name = "grunfeld_log", data = "grunfeld.csv", formula = "log(invest) ~ log(value) + log(capital)",
       clusters = list("firm", "year", c("firm", "year"), c("firm", "period")),
       newdata = data.frame(value = c(50, 100, 500, 1000, 5000), capital = c(10, 50, 100, 500, 2000)),
       hypotheses = list(h("log(value) = log(capital)"), h("log(value) + log(capital) = 1"))),
  list(name = "grunfeld_weights_cluster", data = "grunfeld.csv", weights = "inv_value",
       formula = "invest ~ value + capital", clusters = list("firm", c("firm", "year")),
       newdata = data.frame(value = c(50, 100, 500, 1000, 5000), capital = c(10, 50, 100, 500, 2000)),
       hypotheses = list(h("value = capital")), delta = "value/capital"),
  list(name = "mtcars_aliased", data = "mtcars.csv", formula = "mpg ~ wt + hp + I(wt + hp) + qsec",
       newdata = data.frame(wt = c(2, 2.5, 3, 3.5, 5), hp = c(70, 100, 150, 200, 250), qsec = 15:19 + 0.5),
       hypotheses = list(h("wt = hp"), h("qsec = 0")), delta = "wt/hp"),
  list(name = "mtcars_empty_cell", data = "mtcars.csv", formula = "mpg ~ wt + C(cyl) * C(gear)",
       formula_r = "mpg ~ wt + factor(cyl) * factor(gear)",
       newdata = data.frame(wt = c(2, 2.5, 3, 3.5, 5), cyl = c(4L, 4L, 6L, 8L, 8L), gear = c(4L, 5L, 3L, 3L, 5L)),
       hypotheses = list(h("wt = 0"))),
  list(name = "airquality_missing", data = "airquality.csv", formula = "ozone ~ solar + wind + temp + C(month)",
       formula_r = "ozone ~ solar + wind + temp + factor(month)", clusters = list("day"),
       newdata = data.frame(solar = c(50, 100, 150, 200, 300), wind = c(5, 8, 10, 12, 15),
                            temp = c(60, 70, 75, 80, 90), month = 5:9),
       hypotheses = list(h("wind = temp"), h(paste0("factor(month)", 6:9, " = 0"), paste0("C(month)[T.", 6:9, "] = 0"))),
       delta = "wind/temp"),
  list(name = "chickweight_interaction", data = "chickweight.csv", formula = "weight ~ time * C(diet)",
       formula_r = "weight ~ time * factor(diet)", clusters = list("chick", c("chick", "time")),
       newdata = data.frame(time = c(0, 5, 10, 15, 21), diet = c(1L, 2L, 3L, 4L, 1L)),
       hypotheses = list(h(paste0("time:factor(diet)", 2:4, " = 0"), paste0("time:C(diet)[T.", 2:4, "] = 0")))))

# Prediction at new rows. Prediction intervals of a weighted fit: R takes weight 1 for the new rows.
predictions <- function(fit, newdata) {
  se <- suppressWarnings(predict(fit, newdata, se.fit = TRUE))
  at <- function(interval, level) {
    p <- suppressWarnings(predict(fit, newdata, interval = interval, level = level))
    list(lower = p[, "lwr"], upper = p[, "upr"])
  }
  list(newdata = lapply(newdata, function(v) if (is.factor(v)) as.character(v) else v), fit = se$fit, se_fit = se$se.fit,
       confidence_95 = at("confidence", 0.95), prediction_90 = at("prediction", 0.9))
}

small_sample_clustered <- function(fit, data, clusters) {
  lapply(Filter(function(names) length(names) == 1, clusters), function(names) {
    group <- used_rows(fit, data)[[names]]
    V <- vcovCR(fit, cluster = group, type = "CR2")
    list(cluster = I(names), CR2 = unname(as.matrix(V)), df_satterthwaite = coef_test(fit, vcov = V)$df,
         CR3 = unname(as.matrix(vcovCR(fit, cluster = group, type = "CR3"))))
  })
}

record_lm <- function(case) {
  if (is.null(case$formula_r)) case$formula_r <- case$formula
  data <- read_data(case$data)
  weights_text <- if (is.null(case$weights)) "" else paste0(", weights = ", case$weights)
  text <- sprintf("lm(%s, data = read.csv(\"%s\", stringsAsFactors = TRUE)%s)", case$formula_r, case$data, weights_text)
  fit <- eval(parse(text = sprintf("lm(%s, data = data%s)", case$formula_r, weights_text)))
  s <- summary(fit)
  # With zero weights sandwich 3.0-2 scales by the wrong counts and recycles a too short vector of leverages: the
  # robust covariances come from the rows of positive weight. HC2 and HC3 do not exist where a leverage is 1.
  zeros <- !is.null(weights(fit)) && any(weights(fit) == 0)
  positive <- if (!zeros) data else data[data[[case$weights]] > 0, ]
  robust_fit <- if (!zeros) fit else
    eval(parse(text = sprintf("lm(%s, data = positive%s)", case$formula_r, weights_text)))
  V <- robust(robust_fit, if (any(hatvalues(fit) > 1 - 1e-8)) c("HC0", "HC1") else hc_types)
  names_kept <- names(coef(fit))[!is.na(coef(fit))]
  named <- lapply(V, function(v) { dimnames(v) <- list(names_kept, names_kept); v })
  if (!is.null(case$clusters)) {
    groups <- as.data.frame(used_rows(robust_fit, positive)[case$clusters[[1]]])
    named$cluster <- vcovCL(robust_fit, cluster = groups)
  }
  full <- nrow(model.matrix(fit)) <= 160
  rows <- if (full) seq_len(nrow(model.matrix(fit))) else 1:40
  out <- header(case, fit, data, text)
  out$vcov <- V
  if (zeros) out$vcov_from <- scalar("rows of positive weight")
  if (!is.null(case$clusters)) {
    out$vcov_cluster <- clustered(robust_fit, positive, case$clusters)
    if (is.null(case$weights)) out$vcov_cluster_small_sample <- small_sample_clustered(fit, data, case$clusters)
  }
  out$stats <- lapply(list(r_squared = s$r.squared, adj_r_squared = s$adj.r.squared, sigma = s$sigma,
                           F = s$fstatistic[[1]], F_df1 = s$fstatistic[[2]], F_df2 = s$fstatistic[[3]],
                           aic = AIC(fit), bic = BIC(fit), loglik = as.numeric(logLik(fit)),
                           loglik_df = attr(logLik(fit), "df"), rss = deviance(fit)), scalar)
  out$tables <- lapply(named[intersect(c("const", "HC1", "HC3", "cluster"), names(named))],
                       function(v) table_under(fit, v))
  out$prediction <- predictions(fit, case$newdata)
  # By name: R leaves rows of weight zero out of the influence measures (null here).
  at <- function(v) unname(v[names(fitted(fit))[rows]])
  out$diagnostics <- list(rows = rows - 1, fitted = at(fitted(fit)), residuals = at(residuals(fit)),
                          leverage = at(hatvalues(fit)), cooks_distance = at(cooks.distance(fit)),
                          studentised_internal = at(rstandard(fit)), studentised_external = at(rstudent(fit)),
                          dffits = at(dffits(fit)))
  kinds <- intersect(c("const", "HC1", "cluster"), names(named))
  out$wald_tests <- unlist(lapply(case$hypotheses, function(hyp)
    lapply(kinds, function(k) wald(fit, hyp, named[[k]], k))), recursive = FALSE)
  out$delta_method <- unlist(lapply(case$delta, function(g)
    lapply(kinds, function(k) delta(fit, g, named[[k]], k))), recursive = FALSE)
  save_record(out, "r_lm")
}

for (case in cases) record_lm(case)
