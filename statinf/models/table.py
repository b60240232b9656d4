"""The methods of `si.lm` and `si.glm`."""

from statinf.results.methods import MethodTable

SHARED = ("vcov", "weights", "cluster", "absorb", "na_action", "context")
LM = MethodTable("lm", {"": "statinf.models.lm"}, shared=SHARED)
GLM = MethodTable("glm", {"": "statinf.models.glm"}, shared=("family", "link", *SHARED))
TABLES = (LM, GLM)
