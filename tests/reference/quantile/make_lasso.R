# Penalised quantile regressions of quantreg, on the columns as they are: Rscript make_lasso.R, in this folder.
# rq.fit.lasso minimises sum rho_tau(y - x'b) + sum_j lambda_j |b_j| / 2; eps is its duality gap.
suppressMessages(library(quantreg))
boston <- read.csv("boston.csv")
x <- cbind(1, as.matrix(boston[c("lstat", "rm", "crim", "nox")]))
out <- NULL
for (tau in c(0.1, 0.5, 0.9)) {
  for (lambda in c(5, 50, 500)) {
    fit <- rq.fit.lasso(x, boston$medv, tau = tau, lambda = lambda, eps = 1e-12)
    out <- rbind(out, data.frame(tau = tau, lambda = lambda, term = c("Intercept", "lstat", "rm", "crim", "nox"),
                                 value = sprintf("%.17g", fit$coefficients)))
  }
}
write.csv(out, "lasso.csv", row.names = FALSE, quote = FALSE)
cat("R", as.character(getRversion()), "quantreg", as.character(packageVersion("quantreg")), "\n")
