# Weighted conformal selection by the authors' code: Rscript r/selection.R functions.R
# functions.R is R/functions.R of github.com/ying531/conformal-selection at 4da00205ecda2b0a25781206dfdfdea6f51d0419.
source(commandArgs(TRUE)[1])
n <- 60; m <- 40
cases <- list()
for (seed in 1:8) for (q in c(0.1, 0.3)) for (rand in c("homo", "hete")) {
  i <- 1:n; j <- 1:m
  old <- sin((1.3 + seed / 7) * i) + 1000 * (i %% 3 == 0)
  new <- sin((2.1 + seed / 5) * j) - 0.2 - 0.1 * seed
  w <- exp(0.5 * sin(i * seed)); own <- exp(0.5 * cos(j * seed))
  set.seed(seed); xi <- if (rand == "homo") rep(runif(1), m) else runif(m)
  set.seed(seed); picked <- sort(weighted_CS(old, new, w, own, q, rand))
  cases[[length(cases) + 1]] <- sprintf('{"seed": %d, "q": %.17g, "rand": "%s", "xi": [%s], "selected": [%s]}',
    seed, q, rand, paste(sprintf("%.17g", if (rand == "homo") xi[1] else xi), collapse = ", "),
    paste(picked, collapse = ", "))
}
cat("[\n ", paste(unlist(cases), collapse = ",\n  "), "\n]\n", file = "selection.json", sep = "")
