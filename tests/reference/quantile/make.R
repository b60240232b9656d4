# Reference numbers of R quantreg for the quantile tests.
# Run in this folder:  Rscript make.R   (R 4.2.2, quantreg 5.94; writes numbers.csv and the data it used)
suppressMessages(library(quantreg))
taus <- c(0.1, 0.25, 0.5, 0.75, 0.9)
out <- list()
add <- function(data, tau, what, term, value) {
  out[[length(out) + 1]] <<- data.frame(data = data, tau = tau, what = what, term = term, value = value)
}
park_miller <- function(count) {
  s <- 12345; u <- numeric(count)
  for (i in seq_len(count)) { s <- (16807 * s) %% 2147483647; u[i] <- s / 2147483647 }
  u
}
one <- function(name, formula, data, weights = NULL, boot = TRUE, R = 100) {
  data$.w <- if (is.null(weights)) rep(1, nrow(data)) else weights
  for (tau in taus) {
    fit <- suppressWarnings(rq(formula, tau = tau, data = data, weights = .w, method = "br"))
    terms <- names(coef(fit))
    add(name, tau, "coef", terms, coef(fit))
    add(name, tau, "objective", "objective", fit$rho)
    for (se in c("iid", "nid", "ker")) for (hs in c(TRUE, FALSE)) {
      s <- tryCatch(suppressWarnings(summary(fit, se = se, hs = hs, covariance = TRUE)), error = function(e) NULL)
      if (is.null(s)) { cat("quantreg failed:", name, tau, se, hs, "\n"); next }
      label <- paste0(se, if (hs) "" else "_bofinger")
      add(name, tau, label, terms, s$coefficients[, 2])
      if (hs) add(name, tau, paste0(se, "_pvalue"), terms, s$coefficients[, 4])
    }
    if (is.null(weights)) for (iid in c(TRUE, FALSE)) for (tcrit in c(TRUE, FALSE)) {
      s <- tryCatch(suppressWarnings(summary(fit, se = "rank", alpha = 0.05, iid = iid, tcrit = tcrit)), error = function(e) NULL)
      if (is.null(s)) { cat("quantreg failed:", name, tau, "rank", iid, tcrit, "\n"); next }
      label <- paste0("rank_", if (iid) "iid" else "nid", if (tcrit) "_t" else "_z")
      add(name, tau, paste0(label, "_low"), terms, s$coefficients[, 2])
      add(name, tau, paste0(label, "_high"), terms, s$coefficients[, 3])
    }
    if (boot) {
      x <- model.matrix(formula, data); y <- model.response(model.frame(formula, data)); n <- nrow(x)
      u <- matrix(park_miller(n * R), n, R)
      draws <- list(xy = 1 + floor(n * u), wxy = -log(u), pwy = u)
      for (kind in names(draws)) {
        b <- boot.rq(x, y, tau = tau, R = R, bsmethod = kind, U = draws[[kind]])$B
        add(name, tau, paste0("boot_", kind), terms, apply(b, 2, sd))
      }
    }
  }
  fits <- suppressWarnings(rq(formula, tau = c(.25, .5, .75), data = data, weights = .w))
  if (is.null(weights)) {
    a <- anova(fits)$table
    add(name, NA, "equal_slopes_F", c("statistic", "p_value"), c(a$Tn, a$pvalue))
  }
}
data(engel); data(barro); data(uis)
uis <- uis[, c("ID", "AGE", "BECK", "HC", "IV", "NDT", "RACE", "TREAT", "SITE", "LEN.T", "TIME")]
cars <- mtcars; cars$model <- rownames(mtcars)
one("engel", foodexp ~ income, engel)
one("engel_weighted", foodexp ~ income, engel, weights = 1 / engel$income, boot = FALSE)
one("barro", y.net ~ lgdp2 + mse2 + fse2 + fhe2 + mhe2 + lexp2 + lintr2 + gedy2 + Iy2 + gcony2 + lblakp2 + pol2 + ttrad2, barro)
data(Boston, package = "MASS")
one("boston", medv ~ lstat + rm + crim + nox, Boston)
data(CobarOre)
one("cobar", z ~ x + y, CobarOre, boot = FALSE)
pred <- predict(rq(foodexp ~ income, tau = .5, data = engel), data.frame(income = c(500, 1000, 2000)),
                interval = "confidence", se = "nid", level = .95)
for (k in 1:3) add("engel", .5, paste0("predict_", c("fit", "lower", "higher")), paste0("row", k), as.numeric(pred[k, ]))
reduced <- anova(rq(foodexp ~ income, data = engel), rq(foodexp ~ 1, data = engel))
add("engel", .5, "anova_nested_F", "statistic", reduced$table$Tn)
numbers <- do.call(rbind, out)
numbers$value <- sprintf("%.15g", numbers$value)
write.csv(numbers, "numbers.csv", row.names = FALSE, quote = FALSE)
write.csv(engel, "engel.csv", row.names = FALSE, quote = FALSE)
write.csv(barro, "barro.csv", row.names = FALSE, quote = FALSE)
write.csv(Boston[, c("medv", "lstat", "rm", "crim", "nox")], "boston.csv", row.names = FALSE, quote = FALSE)
write.csv(CobarOre, "cobar.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "quantreg", as.character(packageVersion("quantreg")), nrow(numbers), "\n")
