# Samples on which standard errors by densities often do not exist, and their coefficients and rank limits in R quantreg.
# Run in this folder:  Rscript make_hard.R   (writes hard.csv, the data, and hard_numbers.csv)
suppressMessages(library(quantreg))
seed <- 12345
draw <- function(count) {  # Park and Miller
  u <- numeric(count)
  for (i in seq_len(count)) { seed <<- (16807 * seed) %% 2147483647; u[i] <- seed / 2147483647 }
  u
}
normal <- function(count) round(qnorm(draw(count)), 6)
data <- list(); numbers <- list()
add <- function(design, sample, tau, what, fit) {
  numbers[[length(numbers) + 1]] <<- data.frame(design, sample, tau, what, term = seq_along(fit), value = as.numeric(fit))
}
for (sample in 1:25) {
  n <- 40
  d <- data.frame(design = "cells", sample = sample, x = normal(n), z = 0, g = c("a", "b", "c", "d")[1 + floor(4 * draw(n))])
  d$y <- round(1 + d$x + (d$g == "b") + (1 + 0.3 * abs(d$x)) * normal(n), 6)
  data[[length(data) + 1]] <- d
  fit <- suppressWarnings(rq(y ~ x + g, tau = 0.05, data = d, method = "br"))
  add("cells", sample, 0.05, "coef", coef(fit))
  add("cells", sample, 0.05, "objective", fit$rho)
  n <- 100
  d <- data.frame(design = "slopes", sample = sample, x = normal(n), z = normal(n), g = "a")
  d$y <- round(1 + d$x - d$z + (1 + 0.3 * abs(d$x)) * normal(n), 6)
  data[[length(data) + 1]] <- d
  for (tau in c(0.013, 0.027, 0.048)) {
    fit <- suppressWarnings(rq(y ~ x + z, tau = tau, data = d, method = "br"))
    add("slopes", sample, tau, "coef", coef(fit))
    add("slopes", sample, tau, "objective", fit$rho)
  }
  fit <- suppressWarnings(rq(y ~ x + z, tau = 0.313, data = d, method = "br"))
  s <- summary(fit, se = "rank", alpha = 0.05, iid = TRUE, tcrit = TRUE)
  add("slopes", sample, 0.313, "rank_low", s$coefficients[, 2])
  add("slopes", sample, 0.313, "rank_high", s$coefficients[, 3])
}
write.csv(do.call(rbind, data), "hard.csv", row.names = FALSE, quote = FALSE)
numbers <- do.call(rbind, numbers)
numbers$value <- sprintf("%.15g", numbers$value)
write.csv(numbers, "hard_numbers.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "quantreg", as.character(packageVersion("quantreg")), nrow(numbers), "\n")
