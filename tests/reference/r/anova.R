# Tests of nested models and of terms, adjusted p-values. Run from tests/reference: Rscript r/anova.R
source("r/common.R")
suppressPackageStartupMessages(library(multcomp))
tight <- glm.control(epsilon = 1e-15, maxit = 100)
d <- read_data("warpbreaks.csv")[-(1:4), ]  # unbalanced
m1 <- lm(breaks ~ wool, d); m2 <- lm(breaks ~ wool + tension, d); m3 <- lm(breaks ~ wool * tension, d)
numbers <- function(x) as.numeric(x[is.finite(x)])
f <- anova(m1, m2, m3); chi <- anova(m1, m2, m3, test = "Chisq")
hc <- function(x) vcovHC(x, type = "HC1")
linear <- list(
  f = numbers(f$F), f_p = numbers(f$`Pr(>F)`), ss = numbers(f$`Sum of Sq`), chisq_p = numbers(chi$`Pr(>Chi)`),
  lr = numbers(lrtest(m1, m2, m3)$Chisq), lr_p = numbers(lrtest(m1, m2, m3)$`Pr(>Chisq)`),
  wald = numbers(waldtest(m2, m3, vcov = hc)$F), wald_p = numbers(waldtest(m2, m3, vcov = hc)$`Pr(>F)`),
  one = numbers(anova(m3)$`Sum Sq`), one_f = numbers(anova(m3)$`F value`),
  two = numbers(Anova(m3, type = 2)$`Sum Sq`), two_f = numbers(Anova(m3, type = 2)$`F value`),
  three = numbers(Anova(m3, type = 3)$`Sum Sq`)[-1],
  two_hc3 = numbers(Anova(m3, type = 2, white.adjust = "hc3")$F), three_hc3 = numbers(Anova(m3, type = 3, white.adjust = "hc3")$F)[-1])
generalized <- function(family) {
  g1 <- glm(breaks ~ wool, family, d, control = tight); g2 <- glm(breaks ~ wool + tension, family, d, control = tight)
  g3 <- glm(breaks ~ wool * tension, family, d, control = tight)
  a <- function(test) anova(g1, g2, g3, test = test)
  out <- list(deviance = numbers(a("Chisq")$Deviance), deviance_p = numbers(a("Chisq")$`Pr(>Chi)`), rao = numbers(a("Rao")$Rao),
    rao_p = numbers(a("Rao")$`Pr(>Chi)`),
    one = numbers(anova(g3, test = "Chisq")$`Deviance`), two = numbers(Anova(g3, type = 2, test = "LR")$`LR Chisq`),
    one_rao = numbers(anova(g3, test = "Rao")$Rao),
    three = numbers(Anova(g3, type = 3, test = "LR")$`LR Chisq`), two_wald = numbers(Anova(g3, type = 2, test = "Wald")$Chisq),
    three_wald = numbers(Anova(g3, type = 3, test = "Wald")$Chisq)[-1])
  if (family$family == "Gamma") {
    out$f <- numbers(a("F")$F); out$f_p <- numbers(a("F")$`Pr(>F)`)
    out$two_f <- numbers(Anova(g3, type = 2, test = "F")$`F value`)
  } else out$lr <- numbers(lrtest(g1, g2, g3)$Chisq)
  out
}
p <- c(0.001, 0.012, 0.013, 0.04, 0.2, 0.2, 0.7, 0.045)
adjust <- lapply(c("holm", "hochberg", "hommel", "bonferroni", "BH", "BY"), function(m) p.adjust(p, m))
names(adjust) <- c("holm", "hochberg", "hommel", "bonferroni", "bh", "by")
cars <- lm(mpg ~ wt + qsec + hp + drat, read_data("mtcars.csv"))
set.seed(1)
g <- glht(cars, diag(5)[-1, ])
single <- summary(g, test = adjusted("single-step", maxpts = 2e5, abseps = 1e-5, releps = 0))$test
record <- list(name = scalar("anova"), versions = c(versions(), list(multcomp = scalar(as.character(packageVersion("multcomp"))),
  mvtnorm = scalar(as.character(packageVersion("mvtnorm"))))),
  linear = linear, poisson = generalized(poisson()), gamma = generalized(Gamma("log")), p = p, adjust = adjust,
  single_step = list(p = as.numeric(single$pvalues)))
save_record(record, ".")
