"""The methods of the conformal family."""

from __future__ import annotations

from statinf.results import Method

_MARGINAL = "P(covered) >= level, finite sample"
METHODS: tuple[Method, ...] = (
    Method("conformal", "split", "statinf.conformal.split", "Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (2018)", _MARGINAL, "1604.04173", "conformal-cp2"),
    Method("conformal", "cqr", "statinf.conformal.cqr", "Romano, Patterson, Candes (2019)", _MARGINAL, "1905.03222", "conformal-cp2"),
    Method("conformal", "jackknife", "statinf.conformal.jackknife", "Barber, Candes, Ramdas, Tibshirani (2021)", "none", "1905.02928"),
    Method("conformal", "jackknife+", "statinf.conformal.jackknife", "Barber, Candes, Ramdas, Tibshirani (2021)", "P(covered) >= 2 level - 1", "1905.02928", "conformal-cp2"),
    Method("conformal", "jackknife-minmax", "statinf.conformal.jackknife", "Barber, Candes, Ramdas, Tibshirani (2021)", _MARGINAL, "1905.02928"),
    Method("conformal", "cv+", "statinf.conformal.cv_plus", "Barber, Candes, Ramdas, Tibshirani (2021)", "P(covered) >= 2 level - 1 - sqrt(2/n)", "1905.02928", "conformal-cp2"),
    Method("conformal", "cv-minmax", "statinf.conformal.cv_plus", "Barber, Candes, Ramdas, Tibshirani (2021)", "about the level", "1905.02928"),
    Method("conformal", "full", "statinf.conformal.full", "Vovk, Gammerman, Shafer (2005); Nouretdinov, Melluish, Vovk (2001)", _MARGINAL),
    Method("conformal", "mondrian", "statinf.conformal.mondrian", "Vovk, Lindsay, Nouretdinov, Gammerman (2003)", "P(covered | group) >= level"),
    Method("conformal", "pcp", "statinf.conformal.pcp", "Wang, Gao, Yin, Zhou, Blei (2022)", _MARGINAL, "2206.06584", "conformal-cp2"),
    Method("conformal", "cp2-pcp", "statinf.conformal.cp2_pcp", "Plassier, Fishkov, Guizani, Panov, Moulines (2025)", _MARGINAL + "; conditional up to the model's error", "2407.01794", "conformal-cp2"),
    Method("conformal", "cp2-hpd", "statinf.conformal.cp2_hpd", "Plassier, Fishkov, Guizani, Panov, Moulines (2025)", _MARGINAL + "; conditional up to the model's error", "2407.01794", "conformal-cp2"),
)
