# The other side of races that runs in R: reads the number of rows, of columns and a file of doubles, column by column
# (outcome first), then answers each line on the standard input by its seconds, version and numbers.
given <- commandArgs(trailingOnly = TRUE)
n <- as.integer(given[1])
p <- as.integer(given[2])
values <- readBin(given[3], "double", n * (p + 1))
rows <- as.data.frame(matrix(values, n))
names(rows) <- c("y", paste0("x", 0:(p - 1)))
text <- paste("y ~", paste(names(rows)[-1], collapse = " + "))
rm(values)
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  invisible(gc())
  begun <- proc.time()[["elapsed"]]
  suppressWarnings(suppressPackageStartupMessages(library(quantreg)))
  fit <- suppressWarnings(rq(as.formula(text), 0.5, rows, method = "pfn"))
  table <- suppressWarnings(summary(fit, se = "nid")$coefficients)
  took <- proc.time()[["elapsed"]] - begun
  cat(sprintf("%.17g", c(took, table[, 1], table[, 2])), "\n")
  cat(as.character(packageVersion("quantreg")), "\n")
  flush(stdout())
}
