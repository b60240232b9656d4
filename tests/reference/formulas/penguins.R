# Rank and residual sum of squares of lm(body_mass_g ~ SPELLING) for the formulas of vignettes/formulas.qmd: Rscript penguins.R
library(splines)
d <- read.csv(gzfile("../../../statinf/datasets/data/penguins.csv.gz"), stringsAsFactors = FALSE, na.strings = c("", "NA"))
d <- within(d, { size <- factor(ifelse(flipper_length_mm < 190, "small", ifelse(flipper_length_mm < 210, "middle", "large")),
  levels = c("small", "middle", "large"), ordered = TRUE); adelie <- species == "Adelie" })
lines <- readLines("penguins.txt")
for (text in lines) {
  fit <- suppressWarnings(lm(as.formula(paste("body_mass_g ~", text)), d))
  cat(sprintf("    (%s, %d, %d, %.9g),\n", dQuote(text, FALSE), fit$rank, nobs(fit), deviance(fit)))
}
