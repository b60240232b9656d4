# Covariances of R's packages on one made panel and one made series, and on ChickWeight; run in this folder:
#   Rscript vcov.R
# Writes panel.csv, series.csv and numbers.csv (one row per number; the column `call` is what made it).
suppressMessages({library(sandwich); library(clubSandwich); library(plm); library(AER)})
options(digits = 17)
# R stops on the deviance, which is flat at the optimum: a few more single steps, until the coefficients stand still.
settled <- function(formula, family, data) {
  fit <- glm(formula, family, data)
  for (i in 1:6) fit <- suppressWarnings(glm(formula, family, data, start = coef(fit), control = glm.control(maxit = 2, epsilon = 1e-300)))
  fit
}

set.seed(20)
sizes <- c(2, 3, 3, 4, 5, 5, 7, 8, 10, 12, 14, 20, 31)
id <- rep(seq_along(sizes), sizes)
n <- length(id)
x <- rnorm(n) + rnorm(13)[id]
d <- as.numeric(id %in% c(2, 7, 11))
z <- rexp(n)
v <- 0.6 * x + rnorm(n)
w <- round(runif(n, 0.4, 3), 3)
y <- 1 + 0.5 * x + d + rnorm(13)[id] + rnorm(n) * (1 + 0.5 * abs(x))
b <- as.numeric(0.4 * x + 0.6 * rnorm(13)[id] + rlogis(n) > 0)
count <- rpois(n, exp(0.3 * x - 0.1 * z))
g <- sample(1:9, n, TRUE)
time <- ave(seq_len(n), id, FUN = seq_along)
panel <- data.frame(id, time, g, y, x, d, z, v, w, b, count)
write.csv(format(panel, digits = 17), "panel.csv", row.names = FALSE, quote = FALSE)

m <- 120
t <- sample(1:m)
e <- as.numeric(arima.sim(list(ar = 0.6), m))[t]
x1 <- as.numeric(arima.sim(list(ar = 0.7), m))[t] + 3
x2 <- rexp(m)
series <- data.frame(t, y = 1 + x1 + e * (1 + 0.3 * x2), x1, x2, z1 = 0.8 * x1 + rnorm(m), count = rpois(m, exp(0.1 * x1)))
write.csv(format(series, digits = 17), "series.csv", row.names = FALSE, quote = FALSE)
panel <- read.csv("panel.csv"); series <- read.csv("series.csv")

out <- data.frame(case = character(), what = character(), row = character(), value = numeric(), call = character())
keep <- function(case, what, values, call) {
  names <- names(values); if (is.null(names)) names <- seq_along(values)
  out <<- rbind(out, data.frame(case = case, what = what, row = names, value = as.numeric(values), call = call))
}
errors <- function(case, V, call) keep(case, "se", sqrt(diag(V)), call)

# --- CR2, CR3 and their degrees of freedom (clubSandwich) ------------------------------------------------------
models <- list(
  lm = list(lm(y ~ x + d + z, panel), "lm(y ~ x + d + z)"),
  weighted = list(lm(y ~ x + d + z, panel, weights = w), "lm(y ~ x + d + z, weights = w), inverse_var = TRUE"),
  glm = list(settled(b ~ x + d + z, binomial, panel), "glm(b ~ x + d + z, binomial)"),
  poisson = list(settled(count ~ x + d + z, poisson, panel), "glm(count ~ x + d + z, poisson)"),
  iv = list(ivreg(y ~ v + d + z | x + d + z, data = panel), "ivreg(y ~ v + d + z | x + d + z)"))
for (name in names(models)) for (type in c("CR1", "CR2", "CR3")) {
  fit <- models[[name]][[1]]
  V <- if (name == "weighted") vcovCR(fit, panel$id, type, inverse_var = TRUE) else vcovCR(fit, panel$id, type)
  call <- paste0("vcovCR(", models[[name]][[2]], ", id, '", type, "')")
  case <- paste0(name, ":", type)
  keep(case, "V", setNames(as.numeric(V), outer(rownames(V), colnames(V), paste, sep = ":")), call)
  found <- coef_test(fit, V, test = "Satterthwaite")
  keep(case, "se", setNames(found$SE, rownames(V)), call)
  df <- if ("df_Satt" %in% names(found)) found$df_Satt else found$df
  p <- if ("p_Satt" %in% names(found)) found$p_Satt else found$p_val
  keep(case, "df", setNames(df, rownames(V)), paste("coef_test", call))
  keep(case, "p", setNames(p, rownames(V)), paste("coef_test", call))
  one <- matrix(c(0, 1, -1, 0), 1); two <- rbind(c(0, 1, 0, 0), c(0, 0, 0, 1)); three <- cbind(0, diag(3))
  for (h in list(list("two", two), list("three", three))) {
    test <- Wald_test(fit, constraints = h[[2]], vcov = V, test = "HTZ")
    keep(case, h[[1]], c(F = test$Fstat, df = test$df_denom, p = test$p_val), paste("Wald_test HTZ", call))
  }
  if (name == "iv") next  # linear_contrast of clubSandwich 0.5.8 stops with an error for ivreg
  single <- linear_contrast(fit, V, rbind(one, c(0, 1, 0, 1)), level = .9)[1, ]
  keep(case, "contrast", c(se = single$SE, df = single$df, low = single$CI_L, high = single$CI_U), paste("linear_contrast", call))
}

# --- HC4, HC4m, HC5 ------------------------------------------------------------------------------------------------
for (name in names(models)[1:4]) for (type in c("HC4", "HC4m", "HC5"))
  errors(paste0(name, ":", type), vcovHC(models[[name]][[1]], type), paste0("vcovHC(", models[[name]][[2]], ", '", type, "')"))

# --- several clusters ----------------------------------------------------------------------------------------------
for (name in c("lm", "weighted", "poisson")) for (type in c("HC0", "HC1"))
  errors(paste0(name, ":two-way ", type), vcovCL(models[[name]][[1]], panel[, c("id", "g")], type = type),
         paste0("vcovCL(", models[[name]][[2]], ", ~ id + g, type = '", type, "')"))
errors("lm:three-way HC1", vcovCL(models$lm[[1]], panel[, c("id", "g", "time")], type = "HC1", fix = TRUE), "vcovCL(~ id + g + time, fix = TRUE)")

# --- HAC -----------------------------------------------------------------------------------------------------------
one <- list(
  lm = lm(y ~ x1 + x2, series),
  weighted = lm(y ~ x1 + x2, series, weights = x2 + 0.5),
  poisson = settled(count ~ x1 + x2, poisson, series),
  iv = ivreg(y ~ x1 + x2 | z1 + x2, data = series),
  flat = lm(y ~ 0 + x1, series))
for (name in names(one)) {
  fit <- one[[name]]
  for (adjust in c(TRUE, FALSE)) for (pre in 0:1) {
    tag <- paste0(",prewhite=", pre, ",adjust=", adjust)
    errors(paste0(name, ":hac 4", tag), NeweyWest(fit, lag = 4, order.by = series$t, prewhite = pre, adjust = adjust), "NeweyWest")
    errors(paste0(name, ":hac newey-west", tag), NeweyWest(fit, order.by = series$t, prewhite = pre, adjust = adjust), "NeweyWest")
  }
  for (kernel in c("Bartlett", "Parzen", "Quadratic Spectral")) for (pre in 0:1) {
    tag <- paste0(" ", tolower(gsub(" ", "-", kernel)), ",prewhite=", pre)
    errors(paste0(name, ":hac andrews", tag), kernHAC(fit, order.by = series$t, kernel = kernel, prewhite = pre), "kernHAC(bw = bwAndrews)")
    errors(paste0(name, ":hac 4", tag), kernHAC(fit, order.by = series$t, kernel = kernel, prewhite = pre, bw = 5), "kernHAC(bw = 5)")
    if (kernel != "Bartlett")
      errors(paste0(name, ":hac newey-west", tag), kernHAC(fit, order.by = series$t, kernel = kernel, prewhite = pre, bw = bwNeweyWest), "kernHAC(bw = bwNeweyWest)")
  }
}
errors("lm:hac 4, prewhite=2", NeweyWest(one$lm, lag = 4, order.by = series$t, prewhite = 2, adjust = TRUE), "NeweyWest(prewhite = 2)")

# --- panels ----------------------------------------------------------------------------------------------------------
pooled <- plm(y ~ x + d + z, pdata.frame(panel, index = c("id", "time")), model = "pooling")
for (lag in c(0, 2, 5)) for (type in c("HC0", "sss")) {
  errors(paste0("lm:driscoll-kraay ", lag, " ", type), vcovSCC(pooled, type = type, maxlag = lag), "plm::vcovSCC")
  errors(paste0("lm:panel hac ", lag, " ", type), vcovNW(pooled, type = type, maxlag = lag), "plm::vcovNW")
}

out$value <- trimws(format(out$value, digits = 17, scientific = TRUE))
write.csv(out, "numbers.csv", row.names = FALSE)
versions <- sapply(c("sandwich", "clubSandwich", "plm", "AER"), function(p) as.character(packageVersion(p)))
writeLines(c(R.version.string, paste(names(versions), versions)), "versions.txt")
