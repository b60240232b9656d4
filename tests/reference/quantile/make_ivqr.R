# Reference numbers of inverse quantile regression: R 4.2.2, quantreg 5.94. The root of the instrument's coefficient by uniroot on
# rq (method "br"), standard errors from the formula of Chernozhukov and Hansen (2006) with summary.rq's Gaussian kernel.
# Run in this folder:  Rscript make_ivqr.R   (reads ivqr_data.csv, which make_ivqr.py writes; writes ivqr_numbers.csv)
suppressMessages(library(quantreg))
data <- read.csv("ivqr_data.csv")
out <- list()
add <- function(case, tau, what, term, value)
  out[[length(out) + 1]] <<- data.frame(case = case, tau = tau, what = what, term = term, value = value)
one <- function(case, instruments, bracket, w = rep(1, nrow(data))) {
  data$.w <- w # lm looks for weights among the columns first
  phi <- fitted(lm(reformulate(c("x", instruments), "d"), data, weights = .w))
  X <- cbind(1, data$x)
  for (tau in c(0.25, 0.5, 0.8)) {
    gamma <- function(a) rq.wfit(cbind(phi, X), data$y - a * data$d, tau, w, method = "br")$coefficients[1]
    a <- uniroot(gamma, bracket, tol = 1e-13)$root
    b <- rq.wfit(cbind(phi, X), data$y - a * data$d, tau, w, method = "br")$coefficients[-1]
    e <- data$y - a * data$d - X %*% b
    e[abs(e) < 1e-9] <- 0
    n <- nrow(data)
    h <- bandwidth.rq(tau, n, hs = TRUE)
    while (tau - h < 0 || tau + h > 1) h <- h / 2
    reach <- (qnorm(tau + h) - qnorm(tau - h)) * min(sd(e), (quantile(e, .75) - quantile(e, .25)) / 1.34)
    f <- dnorm(e / reach) / reach
    P <- cbind(phi, X)
    J <- t(P * as.vector(w * f)) %*% cbind(data$d, X)
    model <- tau * (1 - tau) * t(P * w^2) %*% P
    J1 <- solve(mean(f * w) / mean(w) * t(P * w) %*% cbind(data$d, X))
    psi <- as.vector(w * (tau - (e < 0)))
    terms <- c("d", "Intercept", "x")
    add(case, tau, "coef", terms, c(a, b))
    add(case, tau, "iid", terms, sqrt(diag(J1 %*% model %*% t(J1))))
    on <- e == 0 # rows on the fit take the subgradients that make all scores sum to zero
    psi[on] <- -solve(t(P[on, ]), colSums(P[!on, ] * psi[!on]))
    S <- t(P * psi^2) %*% P
    add(case, tau, "HC0", terms, sqrt(diag(solve(J) %*% S %*% t(solve(J)))))
  }
}
one("just", "z", c(-1, 4))
one("over", c("z", "z2"), c(-1, 4))
one("weighted", "z", c(-1, 4), data$w)
write.csv(do.call(rbind, out), "ivqr_numbers.csv", row.names = FALSE, quote = FALSE)
