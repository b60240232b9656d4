"""The methods of `density_ratio`, `shift`, `target_mean`, `shift_test` and `target_shift`."""

from statinf.results.methods import Method

METHODS = (
    Method(
        verb="density_ratio",
        name="logistic",
        module="statinf.shift.logistic",
        paper="Qin (1998); Bickel, Brückner and Scheffer (2009)",
        guarantee="right if the log ratio is linear in the columns; stacked standard errors downstream",
        vignette="covariate-shift",
    ),
    Method(
        verb="density_ratio",
        name="moment",
        module="statinf.shift.moment",
        paper="Deville and Särndal (1992); Hainmueller (2012)",
        guarantee="matches the target's means exactly; stacked standard errors downstream",
        vignette="covariate-shift",
    ),
    Method(
        verb="density_ratio",
        name="kmm",
        module="statinf.shift.kmm",
        paper="Huang, Smola, Gretton, Borgwardt and Schölkopf (2007)",
        guarantee="minimises the maximum mean discrepancy; unique by its ridge",
        vignette="covariate-shift",
    ),
    Method(
        verb="density_ratio",
        name="kliep",
        module="statinf.shift.kliep",
        paper="Sugiyama, Suzuki, Nakajima, Kashima, von Bünau and Kawanabe (2008)",
        guarantee="consistent without a shape for the ratio; bandwidth by cross-validation",
        vignette="covariate-shift",
    ),
    Method(
        verb="density_ratio",
        name="ulsif",
        module="statinf.shift.ulsif",
        paper="Kanamori, Hido and Sugiyama (2009)",
        guarantee="closed form; exact leave-one-out choice of bandwidth and ridge",
        vignette="covariate-shift",
    ),
)
