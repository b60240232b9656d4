# Estimated marginal means, their pairs and trends by R's emmeans; writes emmeans.json beside this file.
suppressMessages(library(emmeans))
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
d <- read.csv(file.path(here, "..", "data", "mtcars.csv")); d$cyl <- factor(d$cyl)
m <- lm(mpg ~ wt * cyl + hp, data = d)
g <- glm(vs ~ wt + hp, data = d, family = binomial, control = glm.control(epsilon = 1e-15, maxit = 100))
means <- as.data.frame(emmeans(m, "cyl")); pair <- as.data.frame(pairs(emmeans(m, "cyl"), reverse = TRUE, adjust = "none"))
trend <- as.data.frame(emtrends(m, "cyl", var = "wt")); gaps <- as.data.frame(pairs(emtrends(m, "cyl", var = "wt"), reverse = TRUE, adjust = "none"))
prob <- as.data.frame(emmeans(g, "wt", at = list(wt = c(2.5, 3.5)), type = "response"))
num <- function(v) paste0("[", paste(sprintf("%.17g", v), collapse = ", "), "]")
line <- function(name, e, s) sprintf('"%s": {"estimate": %s, "std_error": %s}', name, num(e), num(s))
writeLines(c("{", paste(c(
  sprintf('"versions": {"R": "%s", "emmeans": "%s"}', getRversion(), packageVersion("emmeans")),
  line("means", means$emmean, means$SE), line("pairs", pair$estimate, pair$SE),
  line("trends", trend$wt.trend, trend$SE), line("trend pairs", gaps$estimate, gaps$SE),
  line("probabilities", prob$prob, prob$SE)), collapse = ",\n"), "}"), file.path(here, "emmeans.json"))
