"""Right sides of formulas as R users write them, over the columns of `data.csv`."""

from __future__ import annotations

from itertools import combinations

NUMBERS = ("x", "z", "k", "m")
LEVELS = ("g", "h", "c", "o", "b", "q", "u")
PRODUCTS = (
    "{0}", "{0} + {1}", "{0} * {1}", "{0}:{1}", "{0} + {0}:{1}", "{1} + {0}:{1}", "{0} / {1}", "{0} %in% {1}", "0 + {0}:{1}",
    "0 + {0} + {1}", "{0} * {1} - {0}", "0 + {0} * {1}",
)  # fmt: skip
WRAPPED = (
    "factor(g)", "factor(k)", "as.factor(k)", "ordered(k)", "as.ordered(g)", "factor(g, levels = c('w', 'v', 'u'))",
    "factor(k, levels = 5:1)", "factor(k, levels = 1:5, labels = c('a', 'b', 'c', 'd', 'e'))",
    "factor(b, levels = c(FALSE, TRUE), labels = c('no', 'yes'))", "factor(k, ordered = TRUE)", "factor(x > 0)", "factor(b)",
    "factor(o, ordered = FALSE)", "factor(g, levels = c('v', 'u', 'w'), ordered = TRUE)", "factor(cut(x, 3))",
    "factor(k > 2 & b)", "factor(h):factor(g)", "factor(k) * x", "factor(g) / x", "x:factor(k)", "factor(k):b",
    "relevel(c, ref = 'm')", "relevel(factor(g), ref = 'w')", "relevel(factor(k), ref = '3')", "relevel(factor(g), 'v') * x",
    "relevel(c, 'l'):x", "relevel(cut(z, c(0, 1, 2, 4)), ref = '(1,2]')", "relevel(factor(k), ref = 2)",
    "C(c, contr.sum)", "C(c, contr.treatment(3))", "C(o, contr.helmert(3))", "factor(k, labels = c('a', 'b', 'c', 'd', 'e'))", "factor(k, levels = c(1, 3, 5), labels = c('a', 'b', 'c'))", "factor(k, levels = 1:5, labels = c('a', 'a', 'b', 'b', 'c'))", "I(o >= 'mid')", "I(o < 'high')", "I(sin(2 * pi * x))", "I(cos(pi * x))", "ifelse(x > 1, NA, x)", "bs(x, df = 4, Boundary.knots = range(x) + c(-1, 1))", "cut(x, c(min(x) - 1, 0, max(x)))", "bs(x, knots = mean(x))", "C(c, contr.sum)", "C(c, sum)", "C(c, contr.treatment)", "C(c, treatment)", "C(c, contr.treatment(base = 2))",
    "C(c, contr.treatment(3, base = 3))", "C(c, contr.treatment, base = 2)", "C(c, contr.helmert)", "C(c, helmert)",
    "C(c, contr.poly)", "C(c, poly)", "C(c, contr.SAS)", "C(factor(g), contr.sum)", "C(factor(k), contr.sum) * x",
    "C(factor(k), contr.poly)", "C(factor(k), contr.poly, 2)", "C(o, contr.treatment)", "C(o, contr.sum)", "0 + C(c, contr.sum)",
    "C(c, contr.sum) + C(factor(g), contr.sum)", "C(c, contr.sum) * C(factor(g), contr.helmert)", "C(c, contr.sum):x",
    "C(factor(b), contr.sum)", "C(interaction(g, h), contr.sum)", "C(cut(x, 3), contr.sum)", "x * C(c, contr.helmert)",
    "cut(x, 4)", "cut(x, 3)", "cut(x, breaks = 3)", "cut(z, c(0, 1, 2, 4))", "cut(z, breaks = c(0, 1, 2, 4))",
    "cut(z, breaks = c(0.5, 1, 2, 3), include.lowest = TRUE)", "cut(z, c(0, 1, 2, 4), right = FALSE)",
    "cut(k, c(1, 3, 5), include.lowest = TRUE)", "cut(k, c(1, 3, 5), right = FALSE, include.lowest = TRUE)",
    "cut(k, c(1, 3, 5))", "cut(k, c(1, 3, 5), right = FALSE)", "cut(x, c(-Inf, 0, Inf))", "cut(x, c(-Inf, -0.5, 0.5, Inf)) * z",
    "cut(x, c(-Inf, 0, 1, Inf), labels = c('low', 'mid', 'high'))", "cut(x, 3, labels = FALSE)", "cut(x, 3, labels = c('a', 'b', 'c'))",
    "cut(x, 4, include.lowest = TRUE)", "cut(x, 4, right = FALSE)", "cut(z, 5, dig.lab = 2)", "cut(x, quantile(x))",
    "cut(x, quantile(x), include.lowest = TRUE)", "cut(x, quantile(x, c(0, 0.5, 1)), include.lowest = TRUE)",
    "cut(x, quantile(x, 0:3 / 3), include.lowest = TRUE)", "cut(x, quantile(x, seq(0, 1, 0.25)), include.lowest = TRUE)",
    "cut(m, 3)", "cut(m, quantile(m, 0:2 / 2, na.rm = TRUE), include.lowest = TRUE)", "cut(log(z), 3)", "cut(x, 3):z", "cut(x, 2) * cut(z, 2)",
    "cut(x, 3, ordered_result = TRUE)", "cut(z, seq(0, 4, 1))", "cut(z, seq(0, 4, by = 2))", "cut(z, seq(0, 4, length.out = 4))",
    "cut(z, 0:4)", "cut(x + z, 3)", "cut(k, 0:5)", "cut(x, c(3, 0, -3))", "0 + cut(x, 3)", "as.numeric(cut(x, 3))",
    "as.integer(cut(z, c(0, 1, 2, 4)))", "cut(z, c(0, 1, 2, 4)) * g", "cut(z, c(0, 1, 2, 4)):x",
    "findInterval(x, c(-1, 0, 1))", "findInterval(z, 1:3)", "factor(findInterval(x, c(-1, 0, 1)))", "findInterval(m, c(0, 1))",
    "interaction(g, h)", "interaction(g, b)", "interaction(g, h, c)", "interaction(g, h) * x", "interaction(k, h)",
    "interaction(g, h, sep = '_')", "interaction(g, h, drop = TRUE)", "interaction(g, h, lex.order = TRUE)", "0 + interaction(g, h)",
    "interaction(c, q)", "interaction(factor(k), b)", "interaction(cut(x, 2), h)", "interaction(u, h)",
    "ifelse(x > 0, 1, 0)", "ifelse(x > 0, x, 0)", "ifelse(b, x, z)", "ifelse(g == 'u', 1, 0)", "ifelse(g %in% c('u', 'v'), x, 0)",
    "ifelse(x > 0, 'high', 'low')", "ifelse(x > 1, 'a', ifelse(x > 0, 'b', 'c'))", "ifelse(g == 'u', 'u', 'other')",
    "ifelse(x > 0, 'high', 'low') * z", "ifelse(!b, x, 0)", "ifelse(is.na(m), 0, m)", "ifelse(is.na(m), 0, m) + is.na(m)",
    "is.na(m)", "!is.na(m)", "I(is.na(m))", "as.numeric(is.na(m))", "is.na(m) * x", "ifelse(m > 0, 1, 0)", "ifelse(is.na(q), FALSE, q)",
    "ifelse(b & x > 0, 1, 0)", "ifelse(b | x > 0, z, 0)", "ifelse(x > 0 & z < 2, 1, 2)", "ifelse(k == 3, 1, k)", "ifelse(m > 0 | b, 1, 0)",
    "ifelse(is.na(m) | m < 0, 0, 1)", "I(is.na(m) | m < 0)", "I(m > 0 & b)", "ifelse(m > 0 & x > 0, 1, 0)", "factor(is.na(m))",
    "pmin(x, z)", "pmax(x, 0)", "pmin(x, z, 1)", "pmax(x, z, k)", "pmax(x - 1, 0)", "I(pmin(x, 0)^2)", "pmin(pmax(x, -1), 1)",
    "log(z)", "log(z, 2)", "log(z, base = 2)", "log(z, base = 10)", "log2(z)", "log10(z)", "log1p(z)", "expm1(x)", "exp(x)", "sqrt(z)",
    "abs(x)", "sin(x)", "cos(x)", "tan(x)", "sinh(x)", "cosh(x)", "tanh(x)", "asin(x / 10)", "acos(x / 10)", "atan(x)", "atan2(x, z)",
    "round(x)", "round(x, 1)", "round(x, digits = 2)", "floor(x)", "ceiling(x)", "trunc(x)", "sign(x)", "gamma(z)", "lgamma(z)", "sinpi(x)",
    "plogis(x)", "qlogis(plogis(x))", "pnorm(x)", "dnorm(x)", "qnorm(pnorm(x))", "exp(-x^2 / 2)", "sqrt(abs(x))", "log(z) * g", "log(z + 1)",
    "asinh(x)", "log(x^2)", "signif(x, 2)", "factorial(k)", "beta(z, k)", "choose(k, 2)", "digamma(z)", "cospi(x)", "acosh(z + 1)", "atanh(x / 10)",
    "I(x^2)", "I(x**2)", "I(x^2 + z)", "I(x * z)", "I(x / z)", "I((x + z)^2)", "I(-x)", "I(-x^2)", "I(2^x)", "I(x^-1)", "I(1 / z)", "I(x - 1)",
    "x + I(x^2)", "x + I(x^2) + I(x^3)", "I(x^2):g", "I(x^2) * b", "I(z^0.5)", "I(z^(1/3))", "I(k %% 2)", "I(k %/% 2)", "I(x %% 1)", "I(-k %/% 2)",
    "I(k %% 2 == 0)", "I(2 * (k %% 2))", "factor(k %% 2)", "k %in% g", "I((k + 1) %% 3)", "I(x + k %% 2)", "I(k %% 3 * 2)", "I(-k %% 3)",
    "I(x > 0)", "I(x >= 0)", "I(x < 0)", "I(k == 3)", "I(k != 3)", "I(g == 'u')", "I(g != 'u')", "I(x > 0 & z < 2)", "I(x > 0 | z < 2)",
    "I(!b)", "I(!(x > 0))", "I(!b & x > 0)", "I(g %in% c('u', 'v'))", "I(k %in% c(1, 3))", "I(k %in% 1:3)", "I(!(g %in% c('u', 'v')))",
    "I(b & q)", "I(b == TRUE)", "I(x > 0):z", "I(x > 0) * z", "0 + I(x > 0)", "I((x > 0) & (z < 2))", "I((x > 0) * z)", "I(z * (x > 0))",
    "I(b * x)", "I(x > z)", "I(x > 0 & z < 2 | b)", "I(!(x > 0) & !b)", "I(g == 'u' & h == 'hi')", "I(k > 2) + I(k > 3)", "I(1 * (x > 0))",
    "x > 0", "!b", "x > 0 & z < 2", "g == 'u'", "(x > 0) + z", "(x > 0) * z", "z + (k == 3)", "b == TRUE", "x > 0 | b", "(!b) + x", "0 + (x > 0)",
    "(x > 0):z", "z:(k > 2)", "(g == 'u') * (h == 'hi')", "(k %in% c(1, 2)) * x", "I(x > 0) - 1",
    "poly(x, 1)", "poly(x, 2)", "poly(x, 3)", "poly(x, degree = 2)", "poly(x, 2, raw = TRUE)", "poly(x, 3, raw = T)", "poly(x, degree = 2, raw = TRUE)",
    "poly(x, z, degree = 2)", "poly(x, z, degree = 3)", "poly(x, z, degree = 2, raw = TRUE)", "poly(x, z, k, degree = 2)",
    "polym(x, z, degree = 2)", "polym(x, z, degree = 2, raw = TRUE)", "poly(x, 2):g", "poly(x, 2) * b", "poly(x, 2) + poly(z, 2)", "poly(x, 2):poly(z, 2)",
    "poly(log(z), 2)", "poly(m, 2)", "poly(k, 4)", "poly(x, 2) * poly(z, 2)", "0 + poly(x, 2)", "poly(x + z, 2)", "poly(x, 2, raw = TRUE) * g", "poly(x, 5)",
    "ns(x)", "ns(x, 2)", "ns(x, 3)", "ns(x, df = 4)", "ns(x, df = 5)", "ns(x, knots = 0)", "ns(x, knots = c(-1, 0, 1))", "ns(x, df = 3, intercept = TRUE)",
    "ns(x, knots = c(-1, 1), Boundary.knots = c(-2, 2))", "ns(x, df = 4, Boundary.knots = c(-1.5, 1.5))", "ns(z, df = 3) * g", "ns(x, df = 3):b",
    "ns(x, knots = quantile(x, c(0.25, 0.5, 0.75)))", "ns(x, knots = median(x))", "ns(log(z), df = 3)", "ns(m, df = 3)", "ns(x, 2) + ns(z, 2)", "0 + ns(x, 3)",
    "ns(x, df = 2, intercept = TRUE) - 1", "ns(x, df = 3) + b", "ns(k, 2)", "ns(x, Boundary.knots = quantile(x, c(0.1, 0.9)), df = 3)",
    "bs(x)", "bs(x, 4)", "bs(x, df = 5)", "bs(x, df = 6)", "bs(x, df = 4, degree = 2)", "bs(x, degree = 1, df = 3)", "bs(x, knots = c(-1, 0, 1))", "bs(x, knots = 0)",
    "bs(x, df = 5, intercept = TRUE)", "bs(x, df = 5, intercept = TRUE) - 1", "bs(x, df = 5, Boundary.knots = c(-4, 4))", "bs(x, knots = c(-1, 1), degree = 2)",
    "bs(x, knots = c(-1, 1), Boundary.knots = c(-5, 5))", "bs(x, degree = 2)", "bs(z, df = 4) * g", "bs(x, df = 4):b", "bs(log(z), df = 4)", "bs(m, df = 4)",
    "bs(x, knots = quantile(x, c(0.33, 0.67)))", "bs(x, knots = median(x))", "bs(x, degree = 1, knots = 0)", "bs(x, df = 5) + bs(z, df = 5)", "0 + bs(x, 4)",
    "bs(x, knots = c(-1, 1), Boundary.knots = c(-1.5, 1.5))", "bs(k, 4)",
    "scale(x)", "scale(x, scale = FALSE)", "scale(x, center = FALSE)", "scale(x, center = TRUE, scale = FALSE)", "scale(x) * scale(z)", "scale(x):g", "scale(x, TRUE, FALSE)",
    "scale(x, center = 1, scale = 2)", "scale(m)", "scale(log(z))", "I(scale(x)^2)", "scale(x, center = FALSE, scale = FALSE)", "scale(k, center = 3)", "scale(x, scale = 2)",
    "x + offset(log(z))", "offset(z) + x", "x + offset(z) + g", "x + offset(2 * z)", "offset(z)",
    "as.numeric(b)", "as.integer(b)", "as.numeric(x > 0)", "as.integer(x)", "as.numeric(k)", "as.double(x)", "as.logical(k - 1)", "as.numeric(o)", "as.integer(o)", "as.numeric(b):x",
    "as.numeric(x > 0) * z", "b + as.numeric(b):x", "as.logical(b)", "as.character(k)", "as.character(g)",
    "x - 1", "x + 0", "0 + x", "-1 + x", "x - x", "x + z - x", "1", "x + 1", "g - 1", "0 + g + h", "g + h - 1", "b - 1", "b + g - 1", "g + b - 1", "x + b - 1", "c + o - 1",
    "(x + z)^2", "(x + z + k)^2", "(x + z + k)^3", "(x + g)^2", "(g + h + b)^2", "(g + h + c)^3", "(x + g + b)^2 - x:g", "(x + z)^2 - x", "(g + x)^2 - 1", "x^2", "g^2", "(x + z)**2",
    "x * z - x:z", "g * h - g:h", "g * h - g", "g * x - x", "g * x - g", "g * b - b", "x * g * b", "x * g * b - x:g:b", "g * h * c", "g * h * b", "g / h / b", "x / z", "g / x", "g / (x + z)",
    "(g + h) / x", "g / h", "b / x", "x / g", "x %in% g", "g %in% h", "g + x %in% g", "g + h %in% g", "(x + z) %in% g", "x:z:k", "x:z + x:k", "g:h:x", "g:h + x:g", "x:(g + h)", "x * (g + h)",
    "g * (x + z)", "g:h - 1", "g:h:b - 1", "x + g:h", "b:x:z", "x:b + z:b", "0 + x:b + z:b", "0 + x:g + z:g", "0 + x:b + x", "b:g", "b:g - 1", "b + b:g", "g + b:g", "q:x", "b:q", "b * q",
    "`odd name`", "`odd name` * x", "log(`odd name` + 10)", "I(`odd name`^2)", "`odd name`:g", "u", "u * x", "0 + u", "u:h", "m + q", "m * g", "m:q", "x + z + k + m + g + h + c + o + b",
    "g + x + g:x", "x:g + g + x", "x:z + z + x", "z:g:x + x", "(x + z) * (g + h)", "(x + z):(g + h)", "(g + h)^2 - 1", "x + (z + k)", "((x))", "x + (x)", "g * h + x * h", "1 + x", "1 + g - 1",
    "x*z*k-x:z:k", "g*h*x-g:h:x", "g:x + h:x", "0 + g:x + h:x", "g:x + h:x + x", "b:x + g:x", "0 + b:x + g:x", "h:c", "0 + h:c", "g + h:c", "b + h:c", "x + h:c", "0 + x + h:c", "0 + g + h:c",
    ". - d", ". - m - d", ". - m - q - d", "x * . - d - x:d", "x * (. - d - m)", ". - d - 1", ". + I(x^2) - d", "g * (. - m - d)", "log(z) + . - z - d", "x:. - x:d", "(. - d)^2",
)  # fmt: skip
REFUSED_HERE = ("nchar(g)", "d", "paste(g, h)", "log(d)", "substr(g, 1, 1)", "as.numeric(d)", "weekdays(d)", "rev(x)", "cumsum(x)", "rank(x)", "mean(x)", "x - mean(x)", "I(x - mean(x))")  # fmt: skip
LEFT = ("log(z) ~ x", "I(z^2) ~ x", "sqrt(z) ~ . - d", "log(z) ~ . - m - d", "z ~ . - d", "I(x > 0) ~ z", "log(z) ~ x + g", "z - x ~ k", "x + z ~ g", "as.numeric(b) ~ x", "scale(z) ~ x", "I(log(z) - x) ~ g")  # fmt: skip


def formulas() -> list[str]:
    """Every formula, the outcome included."""
    pairs = list(combinations((*NUMBERS[:2], *LEVELS), 2))
    made = [PRODUCTS[(3 * i + j) % len(PRODUCTS)].format(*pair) for j in range(3) for i, pair in enumerate(pairs)]
    turned = [PRODUCTS[(5 * i + 7) % len(PRODUCTS)].format(*pair[::-1]) for i, pair in enumerate(pairs)]
    right = dict.fromkeys([*WRAPPED, *made, *turned, *REFUSED_HERE])
    return [*(f"y ~ {text}" for text in right), *LEFT]
