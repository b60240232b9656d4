# What R's model.matrix makes of every line of formulas.txt on data.csv: rows, rank, names, and two kinds of signature.
# R also drops rows where a column is missing that a formula names and takes out again, as in y ~ . - m; statinf uses them, and
# here such formulas are written out first.
library(splines)
library(jsonlite)
invisible(Sys.setlocale("LC_COLLATE", "C"))
d <- read.csv("data.csv", check.names = FALSE, stringsAsFactors = FALSE)
d$c <- factor(d$c, levels = c("s", "m", "l"))
d$o <- factor(d$o, levels = c("low", "mid", "high"), ordered = TRUE)
d$u <- factor(d$u, levels = c("p", "q", "r"))
d$d <- as.Date(d$d)
d$b <- d$b == "True"
d$q <- d$q == "True"
n <- nrow(d)
i <- seq_len(n)
probe <- cbind(sin(i), cos(i * sqrt(2)), sin(i * sqrt(3) + 1))
record <- function(text) {
  f <- as.formula(text)
  made <- try({
    if (grepl("[.*] - |[(][.] - ", text) && grepl("- m", text)) {
      kept <- terms(f, data = d)
      f <- reformulate(attr(kept, "term.labels"), f[[2]], attr(kept, "intercept") == 1)
    }
    frame <- model.frame(f, d, drop.unused.levels = TRUE)
    X <- model.matrix(attr(frame, "terms"), frame)
    rows <- match(rownames(X), as.character(i))
    stopifnot(all(is.finite(X)))
    V <- probe[rows, , drop = FALSE]
    scaled <- sweep(X, 2, pmax(sqrt(colSums(X^2)), 1e-300), "/")
    s <- svd(scaled)
    rank <- sum(s$d > 1e-9 * max(s$d, 0))
    U <- s$u[, seq_len(rank), drop = FALSE]
    P <- crossprod(U, V)
    list(formula = unbox(text), rows = unbox(nrow(X)), rank = unbox(rank),
         space = signif(c(crossprod(P[, 1], P[, 2]), crossprod(P[, 2], P[, 3]), crossprod(P[, 1], P[, 3])), 10),
         columns = I(signif(as.vector(crossprod(X, V[, 1])), 10)), names = I(colnames(X)))
  }, silent = TRUE)
  if (inherits(made, "try-error")) list(formula = unbox(text), error = unbox(substr(conditionMessage(attr(made, "condition")), 1, 80))) else made
}
lines <- readLines("formulas.txt")
found <- suppressWarnings(lapply(lines, record))
text <- vapply(found, function(r) as.character(toJSON(r, digits = NA)), "")
head <- sprintf('{"software": "%s, splines %s", "formulas": [', R.version.string, packageVersion("splines"))
writeLines(c(head, paste0(text, c(rep(",", length(text) - 1), "")), "]}"), "model_matrix.json")
cat(length(found), "formulas,", sum(!vapply(found, function(r) is.null(r$error), TRUE)), "refused by R\n")
for (r in found) if (!is.null(r$error)) cat(r$formula, "::", r$error, "\n")
