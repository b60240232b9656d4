"""The methods of the regressions."""

from statinf.results.methods import MethodTable

SHARED = ("vcov", "weights", "cluster", "na_action", "context", "by")
LM = MethodTable("lm", {"": "statinf.models.lm"}, shared=(*SHARED, "absorb"))
GLM = MethodTable("glm", {"": "statinf.models.glm"}, shared=("family", "link", *SHARED, "absorb"))
MULTINOMIAL = MethodTable("multinomial", {"": "statinf.models.multinomial"}, shared=("reference", *SHARED))
ORDERED = MethodTable("ordered", {"": "statinf.models.ordered"}, shared=("link", *SHARED))
TOBIT = MethodTable("tobit", {"": "statinf.models.tobit"}, shared=("lower", "upper", *SHARED))
TABLES = (LM, GLM, MULTINOMIAL, ORDERED, TOBIT)
