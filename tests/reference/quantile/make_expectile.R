# Reference numbers of expectile regressions: R 4.2.2, VGAM 1.1-7 (amlnormal, coefficients to its own 1e-7), and asymmetric
# least squares iterated by lm to a repeated sign pattern with errors from sandwich 3.0 on its last weighted regression.
# Run in this folder:  Rscript make_expectile.R   (writes expectile_numbers.csv; reads boston.csv and engel.csv)
suppressMessages({library(VGAM); library(sandwich)})
taus <- c(0.05, 0.25, 0.5, 0.8, 0.95)
out <- list()
add <- function(data, tau, what, term, value) {
  out[[length(out) + 1]] <<- data.frame(data = data, tau = tau, what = what, term = term, value = value)
}
one <- function(name, formula, data, weights = NULL, cluster = NULL, vgam = TRUE) {
  data$.w <- if (is.null(weights)) rep(1, nrow(data)) else weights
  y <- model.response(model.frame(formula, data))
  for (tau in taus) {
    data$.a <- data$.w
    side <- NULL
    repeat {
      fit <- lm(formula, data, weights = .a)
      now <- y >= fitted(fit)
      if (identical(now, side)) break
      side <- now
      data$.a <- data$.w * ifelse(side, tau, 1 - tau)
    }
    terms <- names(coef(fit))
    add(name, tau, "coef", terms, coef(fit))
    add(name, tau, "objective", "objective", sum(data$.a * residuals(fit)^2))
    if (vgam) {
      f <- vglm(formula, amlnormal(w.aml = tau / (1 - tau)), data, weights = .w, control = vglm.control(epsilon = 1e-12, maxit = 200))
      add(name, tau, "vgam", terms, coef(f))
    }
    for (kind in c("HC0", "HC1", "HC2", "HC3")) add(name, tau, kind, terms, sqrt(diag(vcovHC(fit, kind))))
    if (!is.null(cluster)) for (type in c("HC0", "HC1"))
      add(name, tau, paste0("cluster_", type), terms, sqrt(diag(vcovCL(fit, cluster = data[[cluster]], type = type))))
  }
}
engel <- read.csv("engel.csv")
one("engel", foodexp ~ income, engel)
one("engel_weighted", foodexp ~ income, engel, weights = 1 / engel$income)
boston <- read.csv("boston.csv")
boston$group <- ceiling(boston$lstat)
one("boston", medv ~ lstat + rm + crim + nox, boston, cluster = "group")
write.csv(do.call(rbind, out), "expectile_numbers.csv", row.names = FALSE, quote = FALSE)
