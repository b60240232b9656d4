# Multilevel models by R lme4 1.1-31 on simulated rows; writes mrp_data.csv and mrp.csv here.  Rscript mrp.R
suppressMessages(library(lme4))
set.seed(7)
n <- 300
d <- data.frame(x = round(rnorm(n, 40, 10), 2), region = sample(sprintf("r%02d", 1:12), n, TRUE, c(3, rep(1, 10), .4)),
                age = sample(c("young", "middle", "old"), n, TRUE))
u <- rnorm(12, 0, .9); v <- c(young = -.7, middle = .1, old = .8)
eta <- .03 * (d$x - 40) + u[as.integer(factor(d$region))] + v[d$age]
d$y <- round(5 + eta + rnorm(n), 3)
d$vote <- rbinom(n, 1, plogis(eta))
write.csv(d, "mrp_data.csv", row.names = FALSE)
rows <- NULL
put <- function(case, quantity, value) rows <<- rbind(rows, data.frame(case, quantity, index = seq_along(value) - 1, value = as.numeric(value)))
keep <- function(case, fit) {
  put(case, "fixed", fixef(fit)); put(case, "variances", as.data.frame(VarCorr(fit))$vcov)
  put(case, "criterion", if (isREML(fit)) REMLcrit(fit) else -2 * as.numeric(logLik(fit)))
  effects <- ranef(fit, condVar = TRUE)
  for (g in names(effects)) {
    put(case, g, effects[[g]][, 1]); put(case, paste0(g, "_var"), attr(effects[[g]], "postVar")[1, 1, ])
  }
  put(case, "fixed_vcov", as.matrix(vcov(fit)))
}
keep("gaussian", lmer(y ~ x + (1 | region) + (1 | age), d, control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5))))
z <- transform(d, x = x - 40)
keep("binomial", glmer(vote ~ x + (1 | region) + (1 | age), z, family = binomial, control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13, optCtrl = list(rhoend = 1e-9, maxfun = 1e5))))
rows$value <- formatC(rows$value, digits = 14, format = "g")
write.csv(rows, "mrp.csv", row.names = FALSE, quote = FALSE)
