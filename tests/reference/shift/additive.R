# mgcv's natural cubic splines with given knots and penalty: mpg ~ wt + s(hp) of mtcars. From tests/reference/shift: Rscript additive.R
suppressMessages(library(mgcv))
d <- mtcars
d$w <- 1 + (seq_len(nrow(d)) %% 3) / 2
values <- sort(unique(d$hp))
knots <- values[round(seq(0, length(values) - 1, length.out = 8)) + 1]
new <- data.frame(wt = c(2, 3, 5, 2.5), hp = c(20, 110, 250.5, 420))
raw <- 2e5 # times the integral of the squared second derivative
out <- function(x) paste0("[", paste(formatC(as.vector(x), digits = 17, format = "g"), collapse = ", "), "]")
one <- function(weights) {
  made <- smoothCon(s(hp, bs = "cr", k = 8), data = d, knots = list(hp = knots), absorb.cons = TRUE, scale.penalty = TRUE)[[1]]
  g <- gam(mpg ~ wt + s(hp, bs = "cr", k = 8), data = d, weights = weights, knots = list(hp = knots), sp = raw * made$S.scale,
           method = "GCV.Cp")
  p <- predict(g, new, se.fit = TRUE)
  paste0('{"params": ', out(coef(g)[1:2]), ', "frequentist": ', out(g$Ve[1:2, 1:2]), ', "bayesian": ', out(g$Vp[1:2, 1:2]),
         ', "edf": ', out(sum(g$edf[-(1:2)])), ', "dispersion": ', out(g$sig2), ', "gcv": ', out(g$gcv.ubre),
         ', "fitted": ', out(fitted(g)), ', "new": ', out(p$fit), ', "new_se": ', out(p$se.fit), "}")
}
text <- paste0('{"versions": "', R.version.string, ', mgcv ', packageVersion("mgcv"), '", "raw": ', out(raw), ', "plain": ',
               one(rep(1, nrow(d))), ', "weighted": ', one(d$w), "}")
writeLines(text, "additive.json")
