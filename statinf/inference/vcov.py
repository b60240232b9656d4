"""`VcovSpec`: every spelling of a covariance, read once.

A family states which covariances it has (`VcovKinds`); what a caller writes in `vcov=` and `cluster=` becomes a
`VcovSpec`, or an `OptionError` that names the spellings there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from statinf.errors import OptionError
from statinf.inference.dependent import DEPENDENT, columns_of, settings_of, shown

SANDWICH = ("iid", "HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5", "fixed")
CLUSTERED = ("HC0", "HC1", "HC2", "HC3")
_ROBUST = ("robust", "hetero", "heteroskedastic", "white", "hc")
_PLAIN = ("classical", "nonrobust", "standard", "ols")
_SERIAL = {"nw": "hac", "newey-west": "hac", "dk": "driscoll-kraay"} | {key: key for key in DEPENDENT}
_BY_TYPE = {"CR0": "HC0", "CR1": "HC1", "CRV1": "HC1", "CR2": "HC2", "CRV2": "HC2", "CR3": "HC3", "CRV3": "HC3"}


@dataclass(frozen=True)
class VcovKinds:
    """The covariances of a family of estimators.

    Attributes
    ----------
    default : str
        Where the caller asks for none.
    names : tuple of str
        Spelled as strings.
    robust : str
        What "robust" means here.
    stacked : str
        The default with estimated weights.
    clustered : tuple of str
        Types of `{"cluster": column, "type": ...}`; empty where there are none.
    structured : mapping of str to tuple of str
        Further spellings as mappings: the key that names the kind, and the keys that may stand beside it ("cluster"
        among them names the columns to cluster by).
    shorthand : mapping of str to mapping
        Words that stand for a structured spelling.
    cluster_type : str
        The type of a clustered covariance where none is given.
    dependent : tuple of str or None
        Which of "hac", "driscoll-kraay" and "conley" there are. None: all of them where the family has the whole hierarchy
        of heteroskedastic covariances, for then its scores are those of the rows of the data; else none.
    """

    default: str = "HC1"
    names: tuple[str, ...] = SANDWICH
    robust: str = "HC1"
    stacked: str = "HC0"
    clustered: tuple[str, ...] = CLUSTERED
    structured: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shorthand: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cluster_type: str = "HC1"
    dependent: tuple[str, ...] | None = None

    @property
    def under_dependence(self) -> tuple[str, ...]:
        """Covariances under dependence in time, across units or in space that the family has."""
        if self.dependent is not None:
            return self.dependent
        return DEPENDENT if self.names == SANDWICH else ()

    def listed(self) -> str:
        """The spellings, for messages."""
        listed = [repr(n) for n in (*self.names, *self.shorthand)]
        if self.clustered:
            listed.append("{'cluster': 'column'}")
        listed += [f"{{{key!r}: ...}}" for key in self.structured]
        listed += [shown(key) for key in self.under_dependence]
        return ", ".join(listed)


@dataclass(frozen=True)
class VcovSpec:
    """A covariance as asked for.

    Attributes
    ----------
    kind : str
        One of the family's names, "cluster", or the key of a structured spelling.
    clusters : tuple of str
        Columns to cluster by.
    type : str
        Small-sample type of a clustered covariance.
    settings : mapping
        A structured spelling, or one under dependence, in normal form; what was given beside the type of clusters.
    explicit : bool
        Whether the caller asked for it; a default gives way where it does not exist.
    spelled : str
        A word that stands for the kind, such as "robust"; labels show it.
    """

    kind: str
    clusters: tuple[str, ...] = ()
    type: str = "HC1"
    settings: Mapping[str, Any] = field(default_factory=dict)
    explicit: bool = True
    spelled: str = ""

    @property
    def asked(self) -> Any:
        """The normal form: a name, or a mapping."""
        if self.kind == "cluster":
            names = self.clusters[0] if len(self.clusters) == 1 else list(self.clusters)
            return {"cluster": names, "type": self.type, **self.settings}
        return dict(self.settings) if self.settings else self.kind

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that the covariance reads; rows where they are missing are left out of the fit."""
        return tuple(dict.fromkeys((*self.clusters, *columns_of(self.settings))))

    @classmethod
    def read(
        cls,
        vcov: Any = None,
        cluster: Any = None,
        kinds: VcovKinds = VcovKinds(),
        *,
        stacked: bool = False,
    ) -> VcovSpec:
        """The covariance that `vcov=` and `cluster=` ask for.

        Parameters
        ----------
        vcov : None, str, mapping or VcovSpec
        cluster : None, str, sequence of str, or array
            An array is the cluster variable named "cluster" of the design.
        kinds : VcovKinds
        stacked : bool
            Whether weights were estimated, which decides the default.

        Raises
        ------
        OptionError
            If the spelling is unknown, the family lacks it, or `vcov` and `cluster` contradict each other.
        """
        if isinstance(vcov, VcovSpec):
            return vcov
        groups = _cluster_names(cluster)
        if vcov is None:
            if groups:
                return _clustered({"cluster": list(groups)}, kinds)
            return cls(kinds.stacked if stacked else kinds.default, explicit=False)
        if isinstance(vcov, str):
            made = _named(vcov, kinds)
        elif isinstance(vcov, Mapping):
            made = _mapped(vcov, kinds)
        else:
            raise OptionError(f"vcov={vcov!r} is not known; choose one of {kinds.listed()}.")
        if groups and made.clusters != groups:
            names = groups[0] if len(groups) == 1 else list(groups)
            if made.kind == "cluster":
                raise OptionError(
                    f"vcov={vcov!r} and cluster={cluster!r} name different clusters; give one of the two."
                )
            kind = f", 'type': {made.kind!r}" if made.kind in kinds.clustered else ""
            raise OptionError(
                f"vcov={vcov!r} and cluster={names!r} exclude each other: write vcov={{'cluster': {names!r}{kind}}} for "
                "clustered standard errors, or leave cluster= out."
            )
        return made


def cluster_columns(vcov: Any, cluster: Any) -> Any:
    """What `design(cluster=)` needs so that rows without a cluster are left out: names, an array, or None."""
    named = isinstance(cluster, str) or (isinstance(cluster, Sequence) and all(isinstance(c, str) for c in cluster))
    if cluster is not None and not named:
        return cluster
    found = list(_cluster_names(cluster))
    if isinstance(vcov, VcovSpec):
        found += vcov.columns
    return list(dict.fromkeys(found)) or cluster


def _cluster_names(cluster: Any) -> tuple[str, ...]:
    if cluster is None:
        return ()
    if isinstance(cluster, str):
        return _split(cluster) if cluster.lstrip().startswith("~") else (cluster,)
    if isinstance(cluster, Sequence) and len(cluster) and all(isinstance(c, str) for c in cluster):
        return tuple(dict.fromkeys(cluster))
    return ("cluster",)


def _split(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip().strip("`") for name in re.split(r"[+*]", text.strip().lstrip("~"))))


def _named(vcov: str, kinds: VcovKinds) -> VcovSpec:
    plain = vcov.strip()
    for known in kinds.names:
        if plain.lower() == known.lower():
            return VcovSpec(known)
    if plain.lower() in kinds.shorthand:
        return _mapped(kinds.shorthand[plain.lower()], kinds)
    if plain.startswith("~"):
        return _clustered({"cluster": list(_split(plain))}, kinds)
    if plain.lower() in _ROBUST:
        return VcovSpec(kinds.robust, spelled=plain.lower())
    if plain.lower() in _PLAIN and "iid" in kinds.names:
        return VcovSpec("iid", spelled=plain.lower())
    if plain.upper() in _BY_TYPE and kinds.clustered:
        kind = _BY_TYPE[plain.upper()]
        raise OptionError(f"vcov={vcov!r} needs its clusters: write vcov={{'cluster': 'column', 'type': {kind!r}}}.")
    if plain.lower() in _SERIAL and kinds.under_dependence:
        key = _SERIAL[plain.lower()]
        raise OptionError(f"vcov={vcov!r} needs columns of the data: write vcov={shown(key)}.")
    close = get_close_matches(plain.lower(), [n.lower() for n in kinds.names], n=1)
    hint = " For clusters write vcov={'cluster': 'column'}." if "clus" in plain.lower() else ""
    if close and not hint:
        hint = f" Did you mean {next(n for n in kinds.names if n.lower() == close[0])!r}?"
    raise OptionError(f"vcov={vcov!r} is not known; choose one of {kinds.listed()}.{hint}")


def _mapped(vcov: Mapping[str, Any], kinds: VcovKinds) -> VcovSpec:
    for key, beside in kinds.structured.items():
        if key in vcov:
            unknown = set(vcov) - {key, *beside}
            if unknown:
                raise OptionError(
                    f"vcov={dict(vcov)!r}: {sorted(map(str, unknown))[0]!r} does not go with {key!r}; it takes "
                    f"{', '.join(map(repr, (key, *beside)))}."
                )
            return VcovSpec(key, _cluster_names(vcov.get("cluster")), settings=dict(vcov))
    for key in DEPENDENT:
        if key in vcov:
            if key not in kinds.under_dependence:
                raise OptionError(f"vcov={dict(vcov)!r} does not exist here; choose one of {kinds.listed()}.")
            return VcovSpec(key, settings=settings_of(key, vcov))
    for key, kind in _BY_TYPE.items():
        named = [given for given in vcov if isinstance(given, str) and given.upper() == key]
        if named and len(vcov) == 1:
            return _clustered({"cluster": vcov[named[0]], "type": kind}, kinds)
    return _clustered(vcov, kinds)


def _clustered(vcov: Mapping[str, Any], kinds: VcovKinds) -> VcovSpec:
    if not kinds.clustered:
        raise OptionError(f"there are no clustered standard errors here; choose one of {kinds.listed()}.")
    if set(vcov) - {"cluster", "type", "df", "factor"} or "cluster" not in vcov:
        raise OptionError(
            f"vcov={dict(vcov)!r} is not known; clusters are given as {{'cluster': 'column'}}, with an optional 'type', 'df' "
            f"('satterthwaite', 'imbens-kolesar' or 'clusters') and 'factor' ('each' or 'min'); otherwise "
            f"choose one of {kinds.listed()}."
        )
    names = _cluster_names(vcov["cluster"])
    if not names or (names == ("cluster",) and not isinstance(vcov["cluster"], str | list | tuple)):
        raise OptionError(f"vcov={dict(vcov)!r}: name the column to cluster by, or several in a list.")
    usual = kinds.cluster_type if kinds.cluster_type in kinds.clustered else kinds.clustered[0]
    given = str(vcov.get("type", usual))
    kind = _BY_TYPE.get(given.upper(), given.upper())
    if kind not in kinds.clustered:
        raise OptionError(f"vcov type={given!r} is not known for clusters; choose {', '.join(kinds.clustered)}.")
    return VcovSpec("cluster", clusters=names, type=kind, settings=_beside_clusters(vcov, names, given))


def _beside_clusters(vcov: Mapping[str, Any], names: tuple[str, ...], given: str) -> dict[str, Any]:
    """The degrees of freedom and the small-sample factor that were asked for, and whether the type allows them."""
    out = {}
    for key, allowed in (("df", ("satterthwaite", "imbens-kolesar", "clusters")), ("factor", ("each", "min"))):
        if vcov.get(key) is not None:
            if vcov[key] not in allowed:
                raise OptionError(
                    f"{key}={vcov[key]!r} of clusters is not known; choose {' or '.join(map(repr, allowed))}."
                )
            out[key] = vcov[key]
    several = len(names) > 1
    if several and (given.upper() in ("CR2", "CRV2") or out.get("df", "clusters") != "clusters"):
        raise OptionError(
            f"CR2 and degrees of freedom of its own are for one cluster column, not for {', '.join(map(repr, names))}; choose "
            "one of them, or type 'HC1', or 'HC2' for the correction by inclusion and exclusion with the fewest clusters less one."
        )
    if out.get("factor") == "min" and not several:
        out.pop("factor")
    return out
