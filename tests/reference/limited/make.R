# Numbers of nnet, MASS, AER and survival (R 4.2.2): Rscript make.R, in this folder. Writes r_numbers.json.
#
# Searches stop where the likelihood stands still: nnet and polr at reltol 1e-16, survreg at 1e-14. polr takes its Hessian
# from differences of gradients, which leaves six digits. cauchit is left out: polr cuts its arguments at 100, beyond which the
# Cauchy distribution has 0.3 percent. sandwich leaves weights out of the scores of polr and of log(scale), and the offset out of
# those of polr: weighted HC0 is compared elsewhere.
suppressMessages({library(nnet); library(MASS); library(AER); library(survival); library(sandwich)})
d <- read.csv("limited.csv", stringsAsFactors = TRUE)
d$grade <- factor(d$grade, ordered = TRUE)
number <- function(v) paste0("[", paste(sprintf("%.17g", as.vector(v)), collapse = ", "), "]")
rows <- function(m) paste0("[", paste(apply(m, 1, number), collapse = ", "), "]")
out <- character()
put <- function(name, ...) {
  found <- list(...)
  found <- found[found != "[[1]]"]
  body <- paste(sprintf('  "%s": %s', names(found), unlist(found)), collapse = ",\n")
  out[[length(out) + 1]] <<- sprintf(' "%s": {\n%s\n }', name, body)
}

multi <- function(name, f) {
  B <- coef(f)
  put(name, coef = if (is.matrix(B)) rows(B) else number(B),
      vcov = rows(vcov(f)), loglik = as.numeric(logLik(f)), probabilities = rows(head(fitted(f), 3)))
}
multi("multinom", multinom(choice ~ x + z + g, data = d, trace = FALSE, reltol = 1e-16, abstol = 0, maxit = 10000, Hess = TRUE))
multi("multinom weighted", multinom(choice ~ x + z + g, data = d, weights = d$k, trace = FALSE, reltol = 1e-16, abstol = 0, maxit = 10000, Hess = TRUE))
data(BankWages, package = "AER")
multi("bank wages", multinom(job ~ education + minority, data = subset(BankWages, gender == "male"), trace = FALSE, reltol = 1e-16, abstol = 0, maxit = 10000, Hess = TRUE))

precise <- list(reltol = 1e-16, maxit = 10000)
ordinal <- function(name, f) {
  plain <- is.null(f$call$weights) && !grepl("offset", name)
  put(name, coef = number(coef(f)), zeta = number(f$zeta), vcov = rows(vcov(f)), deviance = deviance(f),
      HC0 = rows(if (f$method %in% c("logistic", "probit") && plain) sandwich(f) else diag(1)), probabilities = rows(head(predict(f, type = "probs"), 3)))
}
for (m in c("logistic", "probit", "cloglog", "loglog")) ordinal(paste("polr", m), polr(grade ~ x + z + g, data = d, method = m, Hess = TRUE, control = precise))
ordinal("polr weighted", polr(grade ~ x + z + g, data = d, weights = d$k, Hess = TRUE, control = precise))
ordinal("polr offset", polr(grade ~ z + g + offset(x), data = d, Hess = TRUE, control = precise))
ordinal("housing", polr(Sat ~ Infl + Type + Cont, weights = Freq, data = housing, Hess = TRUE, control = precise))

fine <- survreg.control(rel.tolerance = 1e-15, maxiter = 200)
censored <- function(name, f, cluster = NULL) {
  put(name, coef = number(coef(f)), log_scale = log(f$scale), vcov = rows(vcov(f)), loglik = f$loglik[2],
      null_loglik = f$loglik[1], HC0 = rows(if (is.null(f$weights)) sandwich(f) else diag(1)),
      CL = rows(if (is.null(cluster)) diag(1) else vcovCL(f, cluster, type = "HC0", cadjust = TRUE)))
}
censored("tobit", tobit(y0 ~ x + z + g, data = d, control = fine), d$id)
censored("tobit two limits", tobit(y03 ~ x + z + g, left = 0, right = 3, data = d, control = fine), d$id)
censored("tobit right", tobit(y03 ~ x + z + g, left = -Inf, right = 3, data = d, control = fine))
censored("tobit weighted", survreg(Surv(y0, y0 > 0, type = "left") ~ x + z + g, data = d, weights = w, dist = "gaussian", control = fine))
censored("tobit offset", survreg(Surv(y0, y0 > 0, type = "left") ~ z + g + offset(x), data = d, dist = "gaussian", control = fine))
censored("tobit columns", survreg(Surv(yl, yl > lo, type = "left") ~ x + z + g, data = d, dist = "gaussian", control = fine))
data(Affairs, package = "AER")
affairs <- affairs ~ age + yearsmarried + religiousness + occupation + rating
censored("affairs", tobit(affairs, data = Affairs, control = fine))
censored("affairs right", tobit(affairs, right = 4, data = Affairs, control = fine))

versions <- sapply(c("nnet", "MASS", "AER", "survival", "sandwich"), function(p) as.character(packageVersion(p)))
head <- sprintf(' "versions": {"R": "%s", %s}', getRversion(), paste(sprintf('"%s": "%s"', names(versions), versions), collapse = ", "))
writeLines(c("{", paste(c(head, unlist(out)), collapse = ",\n"), "}"), "r_numbers.json")
write.csv(housing, "/tmp/brief/housing.csv", row.names = FALSE)
write.csv(Affairs, "/tmp/brief/affairs.csv", row.names = FALSE)
write.csv(BankWages, "/tmp/brief/bankwages.csv", row.names = FALSE)
