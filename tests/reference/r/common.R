# What lm.R and glm.R share: a JSON writer with 17 significant digits and the pieces both records have.
suppressPackageStartupMessages({
  library(sandwich)
  library(lmtest)
  library(car)
  library(clubSandwich)
})
invisible(Sys.setlocale("LC_COLLATE", "C"))
options(warn = 1)

# ---- JSON: named list -> object, vector -> array, matrix -> array of rows, NA/NaN/Inf -> null ----
scalar <- function(x) structure(list(x), class = "json_scalar")

json_number <- function(x) {
  out <- rep("null", length(x))
  finite <- is.finite(x)
  short <- sprintf("%.15g", x[finite])
  out[finite] <- ifelse(as.numeric(short) == x[finite], short, sprintf("%.17g", x[finite]))
  out
}

json_atoms <- function(x) {
  if (is.character(x)) {
    out <- paste0("\"", gsub("\"", "\\\\\"", gsub("\\\\", "\\\\\\\\", x)), "\"")
    out[is.na(x)] <- "null"
    return(out)
  }
  if (is.logical(x)) return(ifelse(is.na(x), "null", ifelse(x, "true", "false")))
  json_number(as.numeric(x))
}

to_json <- function(x, indent = "") {
  deeper <- paste0(indent, " ")
  if (is.null(x)) return("null")
  if (inherits(x, "json_scalar")) return(json_atoms(x[[1]]))
  if (is.matrix(x)) {
    rows <- apply(x, 1, function(r) paste0("[", paste(json_atoms(unname(r)), collapse = ", "), "]"))
    return(paste0("[\n", paste0(deeper, rows, collapse = ",\n"), "\n", indent, "]"))
  }
  if (is.list(x)) {
    values <- vapply(x, to_json, "", indent = deeper)
    if (is.null(names(x))) return(paste0("[", paste(values, collapse = ", "), "]"))
    return(paste0("{\n", paste0(deeper, json_atoms(names(x)), ": ", values, collapse = ",\n"), "\n", indent, "}"))
  }
  paste0("[", paste(json_atoms(unname(x)), collapse = ", "), "]")
}

save_record <- function(record, folder) {
  writeLines(to_json(record), file.path(folder, paste0(record$name[[1]], ".json")))
  cat(folder, record$name[[1]], "\n")
}

# ---- pieces of a record ----
read_data <- function(file) read.csv(file.path("data", file), stringsAsFactors = TRUE, check.names = FALSE)

versions <- function() {
  packages <- c("sandwich", "lmtest", "car", "clubSandwich")
  c(list(R = scalar(paste(R.version$major, R.version$minor, sep = "."))),
    setNames(lapply(packages, function(p) scalar(as.character(packageVersion(p)))), packages))
}

used_rows <- function(fit, data) data[match(rownames(model.frame(fit)), rownames(data)), , drop = FALSE]

header <- function(case, fit, data, call) {
  X <- model.matrix(fit)
  list(
    name = scalar(case$name), software = scalar("R"), versions = versions(), call = scalar(call),
    formula = scalar(case$formula), formula_r = scalar(case$formula_r), data = scalar(case$data),
    weights = if (!is.null(case$weights)) scalar(case$weights),
    n_rows = scalar(nrow(data)), n_used = scalar(nrow(X)), nobs = scalar(nobs(fit)),
    rank = scalar(fit$rank), df_residual = scalar(df.residual(fit)),
    terms_r = colnames(X), aliased = unname(is.na(coef(fit))), design_column_means = colMeans(X),
    coefficients = unname(coef(fit)))
}

hc_types <- c("HC0", "HC1", "HC2", "HC3")

robust <- function(fit, types = hc_types) {
  c(list(const = unname(vcov(fit, complete = FALSE))),
    setNames(lapply(types, function(type) unname(vcovHC(fit, type = type))), types))
}

one_cluster <- function(fit, groups, type, cadjust, multi0 = FALSE) {
  list(cluster = I(names(groups)), type = scalar(type), cadjust = scalar(cadjust), multi0 = scalar(multi0),
       n_groups = vapply(groups, function(g) length(unique(g)), 0),
       vcov = unname(vcovCL(fit, cluster = groups, type = type, cadjust = cadjust, multi0 = multi0)))
}

clustered <- function(fit, data, clusters) {
  unlist(lapply(clusters, function(names) {
    groups <- as.data.frame(used_rows(fit, data)[names])
    out <- list(one_cluster(fit, groups, "HC0", FALSE), one_cluster(fit, groups, "HC0", TRUE),
                one_cluster(fit, groups, "HC1", TRUE))
    if (length(names) == 1)
      return(c(out, list(one_cluster(fit, groups, "HC2", TRUE), one_cluster(fit, groups, "HC3", TRUE))))
    c(out, list(one_cluster(fit, groups, "HC1", TRUE, multi0 = TRUE)))
  }), recursive = FALSE)
}

# Coefficient table under one covariance: statistic, p value, interval.
table_under <- function(fit, V) {
  test <- unclass(coeftest(fit, vcov. = V))
  interval <- coefci(fit, level = 0.95, vcov. = V)
  keep <- !is.na(coef(fit))
  interval <- interval[rownames(interval) %in% names(coef(fit))[keep], , drop = FALSE]
  list(std_error = test[, 2], statistic = test[, 3], p_value = test[, 4],
       conf_low = interval[, 1], conf_high = interval[, 2], reference = scalar(colnames(test)[3]))
}

wald <- function(fit, h, V, vcov_name) {
  L <- makeHypothesis(names(coef(fit))[!is.na(coef(fit))], h$r)
  if (is.null(dim(L))) L <- t(L)
  rhs <- L[, ncol(L)]
  L <- L[, -ncol(L), drop = FALSE]
  f <- linearHypothesis(fit, h$r, vcov. = V, test = "F", singular.ok = TRUE)
  chi <- linearHypothesis(fit, h$r, vcov. = V, test = "Chisq", singular.ok = TRUE)
  list(hypothesis = I(h$s), hypothesis_r = I(h$r), vcov = scalar(vcov_name), L = unname(L), rhs = rhs,
       df = scalar(f$Df[2]), F = scalar(f$F[2]), p_F = scalar(f[["Pr(>F)"]][2]),
       chisq = scalar(chi$Chisq[2]), p_chisq = scalar(chi[["Pr(>Chisq)"]][2]))
}

delta <- function(fit, expression, V, vcov_name) {
  d <- deltaMethod(coef(fit)[!is.na(coef(fit))], expression, vcov. = V)
  list(expression = scalar(expression), vcov = scalar(vcov_name), estimate = scalar(d$Estimate),
       std_error = scalar(d$SE), conf_low = scalar(d[["2.5 %"]]), conf_high = scalar(d[["97.5 %"]]))
}
