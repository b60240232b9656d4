# What R's broom says of lm and glm fits (augment.lm, augment.glm, glance.lm, glance.glm), from the functions of base R that
# it calls; broom itself is not needed. Run from tests/reference: Rscript r/broom.R
data <- read.csv("data/mtcars.csv")

rows <- function(fit) {
  glm <- inherits(fit, "glm")
  influence <- influence(fit, do.coef = FALSE)
  list(
    .fitted = unname(if (glm) predict(fit, type = "link") else fitted(fit)),
    .resid = unname(if (glm) residuals(fit, type = "deviance") else residuals(fit)),
    .hat = unname(influence$hat),
    .sigma = unname(influence$sigma),
    .cooksd = unname(cooks.distance(fit)),
    .std.resid = unname(rstandard(fit))
  )
}

whole <- function(fit) {
  common <- list(logLik = c(logLik(fit)), AIC = AIC(fit), BIC = BIC(fit), deviance = deviance(fit),
                 df.residual = df.residual(fit), nobs = nobs(fit))
  if (inherits(fit, "glm")) return(c(list(null.deviance = fit$null.deviance, df.null = fit$df.null), common))
  s <- summary(fit)
  f <- s$fstatistic
  c(list(r.squared = s$r.squared, adj.r.squared = s$adj.r.squared, sigma = s$sigma, statistic = unname(f[1]),
         p.value = unname(pf(f[1], f[2], f[3], lower.tail = FALSE)), df = unname(f[2])), common)
}

# R stops on the deviance, which is flat at the optimum; steps from there bring the coefficients and the weights home.
again <- function(fit) {
  for (i in 1:4) fit <- suppressWarnings(update(fit, start = coef(fit)))
  fit
}

exact <- glm.control(epsilon = 1e-14, maxit = 100)
fits <- list(
  lm = lm(mpg ~ wt + hp, data),
  weighted = lm(mpg ~ wt + hp, data, weights = qsec),
  binomial = again(glm(am ~ wt, binomial, data, control = exact)),
  poisson = again(glm(carb ~ wt + hp, poisson, data, control = exact)),
  gamma = again(glm(mpg ~ wt + hp, Gamma("log"), data, control = exact))
)
out <- lapply(fits, function(fit) list(augment = rows(fit), glance = whole(fit)))
out$versions <- list(R = as.character(getRversion()))
jsonlite::write_json(out, "broom/broom.json", auto_unbox = TRUE, digits = 17)
