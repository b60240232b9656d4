"""The methods of `si.lm` and `si.glm`."""

from statinf.results.methods import MethodTable

SHARED = ("vcov", "weights", "cluster", "na_action", "context")
LM = MethodTable("lm", {"": "statinf.models.lm"}, shared=(*SHARED, "by"))
GLM = MethodTable("glm", {"": "statinf.models.glm"}, shared=("family", "link", *SHARED, "by"))
TABLES = (LM, GLM)
