# Calibration to known margins by R survey 4.1-1 on simulated rows; writes calibration_data.csv and calibration.csv here.
# SURVEY_LIB=library Rscript calibration.R
.libPaths(c(Sys.getenv("SURVEY_LIB"), .libPaths()))
suppressMessages(library(survey))
set.seed(20)
n <- 160
d <- data.frame(id = rep(1:32, each = 5), x = round(rnorm(n, 50, 8), 2), stype = sample(c("E", "H", "M"), n, TRUE, c(.6, .2, .2)),
                urban = sample(c(0, 1), n, TRUE), w = round(runif(n, 20, 60), 1))
u <- rnorm(32)
d$y <- round(20 + .8 * d$x + 5 * (d$stype == "H") - 3 * d$urban + 2 * u[d$id] + rnorm(n, 0, 4), 2)
d$late <- as.integer(d$y > 62)
write.csv(d, "calibration_data.csv", row.names = FALSE)
N <- sum(d$w)
pop <- c(`(Intercept)` = N, stypeH = .25 * N, stypeM = .2 * N, x = 52 * N, urban = .45 * N)
rows <- NULL
put <- function(case, quantity, value) rows <<- rbind(rows, data.frame(case, quantity, index = seq_along(value) - 1, value = as.numeric(value)))
srs <- svydesign(ids = ~1, weights = ~w, data = d)
clu <- svydesign(ids = ~id, weights = ~w, data = d)
cases <- list(linear = list("linear", c(-Inf, Inf)), raking = list("raking", c(-Inf, Inf)), logit = list("logit", c(.4, 2.5)),
              linear_bounded = list("linear", c(.5, 1.8)), raking_bounded = list("raking", c(.5, 1.8)))
for (name in names(cases)) {
  for (kind in c("srs", "clu")) {
    made <- calibrate(get(kind), ~stype + x + urban, pop, calfun = cases[[name]][[1]], bounds = cases[[name]][[2]], epsilon = 1e-13, maxit = 200)
    if (kind == "srs") put(name, "weights", weights(made))
    m <- svymean(~y, made)
    put(name, paste0(kind, "_mean"), coef(m)); put(name, paste0(kind, "_mean_se"), SE(m))
    f <- svyglm(y ~ x + stype, made)
    put(name, paste0(kind, "_lm"), coef(f)); put(name, paste0(kind, "_lm_se"), SE(f))
    g <- svyglm(late ~ x, made, family = quasibinomial())
    put(name, paste0(kind, "_logit"), coef(g)); put(name, paste0(kind, "_logit_se"), SE(g))
  }
}
# Cross cells: post-stratification to stype by urban.
cells <- data.frame(expand.grid(stype = c("E", "H", "M"), urban = 0:1), Freq = N * c(.3, .12, .1, .25, .13, .1))
post <- postStratify(srs, ~stype + urban, cells)
put("poststratify", "weights", weights(post)); put("poststratify", "srs_mean", coef(svymean(~y, post))); put("poststratify", "srs_mean_se", SE(svymean(~y, post)))
# Raking over two margins by iterative proportional fitting.
rk <- rake(srs, list(~stype, ~urban), list(data.frame(stype = c("E", "H", "M"), Freq = N * c(.55, .25, .2)), data.frame(urban = 0:1, Freq = N * c(.55, .45))), control = list(maxit = 500, epsilon = 1e-12))
put("rake", "weights", weights(rk)); put("rake", "srs_mean", coef(svymean(~y, rk)))
rows$value <- formatC(rows$value, digits = 15, format = "g")
write.csv(rows, "calibration.csv", row.names = FALSE, quote = FALSE)
