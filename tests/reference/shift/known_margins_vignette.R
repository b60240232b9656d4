# Numbers of R survey 4.1-1 and lme4 1.1-31 that the vignette known-margins shows.  Rscript known_margins_vignette.R, in this folder
suppressMessages({library(survey); library(lme4)})
d <- read.csv("../../../statinf/datasets/data/lalonde.csv.gz"); d <- d[d$treat == 0, ]; d$race <- factor(d$race)
N <- nrow(d); options(digits=12)
des <- svydesign(ids=~1, weights=rep(1,N), data=d)
pop <- c(`(Intercept)`=N, raceC1=0, raceC2=0, age=26.5*N, married=.4*N, re74=4500*N)
lev <- levels(d$race); print(lev)
sh <- c(black=.5, hispan=.15, white=.35)
names(pop)[2:3] <- paste0("race", lev[2:3]); pop[2:3] <- sh[lev[2:3]]*N
for (k in list(list("linear",c(.02,8)), list("raking",c(-Inf,Inf)), list("logit",c(.02,8)))) {
  g <- calibrate(des, ~race+age+married+re74, pop, calfun=k[[1]], bounds=k[[2]], epsilon=1e-12, maxit=500)
  m <- svymean(~re78, g); f <- svyglm(re78~educ, g)
  cat(k[[1]], sprintf("%.10g", c(coef(m), SE(m), range(weights(g)), coef(f)[2], SE(f)[2])), "\n")
}
b <- lmer(re78 ~ age + (1|race) + (1|educ), d, control=lmerControl(optimizer="bobyqa",optCtrl=list(rhoend=1e-12)))
print(fixef(b)); print(as.data.frame(VarCorr(b))$sdcor); print(REMLcrit(b))
