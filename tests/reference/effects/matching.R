# Prints what the vignette effects-arms and the tests of matching compare with: R's Matching 4.10-8 on its own lalonde data.
suppressMessages(library(Matching))
data(lalonde)
score <- glm(treat ~ age + I(age^2) + educ + I(educ^2) + black + hisp + married + nodegr + re74 + I(re74^2) + re75 + I(re75^2) +
  u74 + u75, family = binomial, data = lalonde)$fitted
summary(Match(Y = lalonde$re78, Tr = lalonde$treat, X = score, M = 1)) # 2153.3, 825.4, 346 pairs
