"""References: the texts that name backends, on the command line and in results.

torch    torch==2.9.1    torch:cuda    mindspore==2.8.0:graph    name[==version][:variant]
path/to/file.py:OBJECT    package.module:OBJECT
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from harness.backends.protocol import BackendUnavailable
from harness.text import did_you_mean

__all__ = ["FORMS", "Kind", "Reference", "name_in", "unversioned", "variant_in"]

FORMS = "NAME[==VERSION][:VARIANT], path/to/file.py:OBJECT or package.module:OBJECT"

_NAMED = re.compile(r"(?P<name>[a-z0-9_.-]+)(==(?P<version>[^:]*))?(:(?P<variant>[^:]+))?")


class Kind(enum.Enum):
    """Where the implementation is found."""

    INSTALLED = "a name in the entry point group"
    FILE = "an object in a Python file"
    MODULE = "an object in an importable module"


@dataclass(frozen=True)
class Reference:
    """A parsed reference; `str` gives its text back.

    `name` is the installed backend's name, the file's path, or the module's dotted name. Only an
    installed backend has a version and a variant, only the others have an object.
    """

    kind: Kind
    name: str
    version: str = ""
    variant: str = ""
    object: str = ""

    @classmethod
    def parse(cls, text: str, installed: Iterable[str]) -> Reference:
        """Read a reference, given the names of the installed backends.

        Raises:
            BackendUnavailable: it has none of the forms, or its name is not installed.
        """
        names = sorted(installed)
        place, colon, attribute = text.rpartition(":")
        if colon and place.endswith(".py") and attribute:
            return cls(Kind.FILE, place, object=attribute)
        named = _NAMED.fullmatch(text)
        if named is not None and named["name"] in names:
            version, variant = named["version"], named["variant"] or ""
            return cls(Kind.INSTALLED, named["name"], _valid(version, text), variant)
        if all(part.isidentifier() for part in (*place.split("."), attribute)):
            return cls(Kind.MODULE, place, object=attribute)
        name = re.split("==|:", text)[0]
        which = f"; which OBJECT of {name}?" if name.endswith(".py") else ""
        if name in names:
            raise BackendUnavailable(f"backend {text!r}: expected {FORMS}")
        if colon and attribute:
            raise BackendUnavailable(
                f"backend {text!r}: {place!r} is neither a file that ends in .py nor the "
                f"name of a module; expected {FORMS}{did_you_mean(name, names)}"
            )
        raise BackendUnavailable(
            f"backend {text!r} is not known; expected one of {', '.join(names)}, as "
            f"{FORMS}{which or did_you_mean(name, names)}"
        )

    def __str__(self) -> str:
        if self.kind is not Kind.INSTALLED:
            return f"{self.name}:{self.object}"
        version = f"=={self.version}" if self.version else ""
        return f"{self.name}{version}" + (f":{self.variant}" if self.variant else "")


def name_in(backend: str) -> str:
    """Of a backend as results name it: 'mindspore' of 'mindspore==2.8.0:graph'."""
    return re.split("==|:", backend)[0]


def variant_in(backend: str) -> str:
    """Of a backend as results name it: 'graph' of 'mindspore==2.8.0:graph', or ''."""
    return backend.partition(":")[2]


def unversioned(backend: str) -> str:
    """Of a backend as results name it: 'mindspore:graph' of 'mindspore==2.8.0:graph'."""
    return re.sub("==[^:]*", "", backend)


def _valid(version: str | None, text: str) -> str:
    if version is None:
        return ""
    try:
        Version(version)
    except InvalidVersion:
        raise BackendUnavailable(
            f"backend {text!r}: {version!r} is no version, expected one such as 2.9.1"
        ) from None
    return version
