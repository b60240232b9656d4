# Numbers of quantreg's crq (R 4.2, quantreg 5.94, survival): Rscript make_crq.R, in this folder.
#
# crq_data.csv: y = min(t, c) with event d, and yc = min(t, 3).
# crq_numbers.csv: method, tau, coefficients.
#   portnoy        crq(Surv(y, d) ~ x1 + x2, method = "Portnoy", grid = g), at the levels it says it used
#   pivot          the same with grid = "pivot"
#   peng-huang     method = "PengHuang", grid = g; its level j holds the integrals of 1 - exp(-(H(g[j + 1]) - H(g[1]))),
#                  H(u) = -log(1 - u), and that level is what is written here
#   powell         crq(Curv(yc, 3, "right") ~ x1 + x2, method = "Powell"): a local minimum
#   kaplan-meier   quantile(survfit(Surv(y, d) ~ 1))
suppressMessages({library(quantreg); library(survival)})
set.seed(1)
n <- 300
x1 <- round(runif(n, -1, 1), 6); x2 <- rbinom(n, 1, .5)
t <- round(2 + x1 + .5 * x2 + (1 + .3 * x1) * rnorm(n), 6); c <- round(runif(n, 1, 6), 6)
data <- data.frame(y = pmin(t, c), d = as.numeric(t <= c), x1, x2, yc = pmin(t, 3))
write.csv(data, "crq_data.csv", row.names = FALSE)
g <- seq(.01, .99, by = .01)
rows <- function(method, tau, B) data.frame(method, tau, Intercept = B[1, ], x1 = B[2, ], x2 = B[3, ])
S <- crq(Surv(y, d) ~ x1 + x2, data = data, method = "Portnoy", grid = g)$sol
out <- rows("portnoy", S[1, -1], S[2:4, -1])
S <- crq(Surv(y, d) ~ x1 + x2, data = data, method = "Portnoy", grid = "pivot")$sol
out <- rbind(out, rows("pivot", S[1, ], S[2:4, ]))
S <- crq(Surv(y, d) ~ x1 + x2, data = data, method = "PengHuang", grid = g)$sol
H <- -log(1 - g)
out <- rbind(out, rows("peng-huang", 1 - exp(-(H[2:(ncol(S) + 1)] - H[1])), S[2:4, ]))
S <- crq(Curv(yc, rep(3, n), "right") ~ x1 + x2, data = data, method = "Powell", taus = c(.25, .5, .75))$coefficients
out <- rbind(out, rows("powell", c(.25, .5, .75), S))
q <- c(.2, .35, .5, .65)
k <- quantile(survfit(Surv(y, d) ~ 1, data), q)$quantile
out <- rbind(out, data.frame(method = "kaplan-meier", tau = q, Intercept = k, x1 = NA, x2 = NA))
out[, 2:5] <- lapply(out[, 2:5], function(v) sprintf("%.17g", v))
write.csv(out, "crq_numbers.csv", row.names = FALSE, quote = FALSE)
