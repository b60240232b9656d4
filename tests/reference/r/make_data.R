# Writes the data of R packages as CSV files under data/: lower-case names without dots, factors as text,
# 17 significant digits. Run from tests/reference: Rscript r/make_data.R
options(stringsAsFactors = FALSE)
invisible(Sys.setlocale("LC_COLLATE", "C"))

save_csv <- function(d, name) {
  d <- as.data.frame(d)
  names(d) <- gsub(".", "_", tolower(names(d)), fixed = TRUE)
  for (j in names(d)) {
    if (is.factor(d[[j]])) d[[j]] <- as.character(d[[j]])
    if (is.numeric(d[[j]])) {
      short <- sprintf("%.15g", d[[j]])
      short[is.na(d[[j]])] <- NA
      inexact <- which(as.numeric(short) != d[[j]])
      short[inexact] <- sprintf("%.17g", d[[j]][inexact])
      d[[j]] <- short
    }
  }
  write.csv(d, file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE, na = "", eol = "\n")
}

save_csv(mtcars, "mtcars")
save_csv(warpbreaks, "warpbreaks")
save_csv(cars, "cars")
save_csv(trees, "trees")
save_csv(InsectSprays, "insectsprays")
aq <- airquality
names(aq)[2] <- "solar"
save_csv(aq, "airquality")
chick <- as.data.frame(ChickWeight)
chick$Chick <- as.integer(as.character(chick$Chick))
save_csv(chick, "chickweight")

st <- as.data.frame(state.x77)
names(st) <- c("population", "income", "illiteracy", "life_exp", "murder", "hs_grad", "frost", "area")
st <- cbind(state = gsub(" ", "_", state.name), division = gsub(" ", "_", as.character(state.division)), st)
st$population0 <- ifelse(st$population < 1000, 0, st$population)
save_csv(st, "state")

inf <- infert
inf$education <- as.character(inf$education)
save_csv(inf[, c("education", "age", "parity", "induced", "case", "spontaneous", "stratum")], "infert")

ucb <- as.data.frame(UCBAdmissions)
ucb <- merge(subset(ucb, Admit == "Admitted", -Admit), subset(ucb, Admit == "Rejected", -Admit),
             by = c("Gender", "Dept"))
ucb$total <- ucb$Freq.x + ucb$Freq.y
ucb$rate <- ucb$Freq.x / ucb$total
save_csv(ucb[order(ucb$Dept, ucb$Gender), c("Gender", "Dept", "total", "rate")], "ucb")

ti <- as.data.frame(Titanic)
ti$survived <- as.integer(ti$Survived == "Yes")
names(ti)[1] <- "ticket" # "class" is a keyword of Python
save_csv(ti[, c("ticket", "Sex", "Age", "survived", "Freq")], "titanic")

ins <- MASS::Insurance
ins$Group <- c("<1l" = "g1", "1-1.5l" = "g2", "1.5-2l" = "g3", ">2l" = "g4")[as.character(ins$Group)]
ins$Age <- c("<25" = "a1", "25-29" = "a2", "30-35" = "a3", ">35" = "a4")[as.character(ins$Age)]
ins$Rate <- ins$Claims / ins$Holders
save_csv(ins, "insurance")
ep <- MASS::epil
save_csv(ep[, c("y", "trt", "V4", "subject", "period", "lbase", "lage")], "epil")
men <- MASS::menarche
men$rate <- men$Menarche / men$Total
save_csv(men[, c("Age", "Total", "rate")], "menarche")

# Blood clotting times, McCullagh & Nelder (1989), section 8.4.2.
save_csv(data.frame(u = c(5, 10, 15, 20, 30, 40, 60, 80, 100), lot1 = c(118, 58, 42, 35, 27, 25, 21, 19, 18)),
         "clotting")
