"""From the name on the command line to a backend, or a message that says what to do."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from harness.backends.protocol import Backend, BackendUnavailable
from harness.config import Config
from harness.text import printable, shown, text_of, type_name

__all__ = ["load_backend", "unsupported_reason", "versions_of"]

BUILT_IN = {
    "torch": ("harness.backends.torch_rnn", "TorchBackend"),
    "mindspore": ("harness.backends.mindspore_rnn", "MindSporeBackend"),
    "mindspore-graph": ("harness.backends.mindspore_rnn", "MindSporeGraphBackend"),
}


MOST_VERSIONS = 20
"""Entries of `versions()` that are shown."""


def load_backend(name: str) -> Backend:
    """Load `torch`, `mindspore`, `path/to/file.py:OBJECT` or `package.module:OBJECT`.

    OBJECT may be a backend or a class (or function) without arguments that makes one.

    Raises:
        BackendUnavailable: with what to install, or what the object lacks.
    """
    if name in BUILT_IN:
        module_name, attribute = BUILT_IN[name]
        try:
            backend = getattr(importlib.import_module(module_name), attribute)()
        except ImportError as error:
            raise BackendUnavailable(
                f"backend {name!r} cannot be imported ({text_of(error)}); install it with: "
                f"pip install -c constraints.txt 'rnn-parity[{name.partition('-')[0]}]'"
            ) from error
        return cast(Backend, backend)
    if ":" not in name:
        raise BackendUnavailable(
            f"backend {name!r} is not known; expected one of {', '.join(BUILT_IN)}, or an "
            "implementation of your own as path/to/file.py:OBJECT or package.module:OBJECT"
            + (f"; which OBJECT of {name}?" if name.endswith(".py") else "")
        )
    return _external(name)


def unsupported_reason(backend: Backend, config: Config) -> str | None:
    """Why the backend documents that it does not do what the config asks for, or None."""
    ask = getattr(backend, "unsupported", None)
    reason = None if ask is None else ask(config)
    return None if reason is None else text_of(reason)


def versions_of(backend: Backend) -> dict[str, str]:
    """Name and version of everything the backend wants to see in the report's header.

    Raises:
        BackendUnavailable: `versions` raises, or gives no mapping.
    """
    ask = getattr(backend, "versions", None)
    if ask is None:
        return {}
    try:
        given = itertools.islice(dict(ask()).items(), MOST_VERSIONS)
        return {text_of(name, 100): text_of(version, 100) for name, version in given}
    except Exception as error:
        raise BackendUnavailable(
            f"{type_name(backend)}.versions() raised {_raised(error)}; expected a dict of texts"
        ) from error


def _raised(error: Exception) -> str:
    return f"{type_name(error)}: {text_of(error, 300)}"


def _external(name: str) -> Backend:
    place, _, attribute = name.rpartition(":")
    try:
        module = _module(place)
    except BackendUnavailable:
        raise
    except Exception as error:
        raise BackendUnavailable(
            f"backend {name!r}: importing {place} raised {_raised(error)}"
        ) from error
    candidate: Any = getattr(module, attribute, None)
    if candidate is None:
        public = [n for n in vars(module) if not n.startswith("_")]
        public[10:] = ["..."] * (len(public) > 10)
        raise BackendUnavailable(
            f"backend {name!r}: {place} has no {attribute!r}; it defines "
            + printable(", ".join(public))
        )
    if isinstance(candidate, type) or (callable(candidate) and not hasattr(candidate, "build")):
        try:
            candidate = candidate()
        except Exception as error:
            raise BackendUnavailable(
                f"backend {name!r}: {attribute}() raised {_raised(error)}; "
                "expected an object, or a class that takes no arguments"
            ) from error
    if not callable(getattr(candidate, "build", None)):
        raise BackendUnavailable(
            f"backend {name!r}: {type_name(candidate)} has no method build(options); the "
            "README's section 'Your own implementation' shows a complete one"
        )
    given = getattr(candidate, "name", None)
    if type(given) is not str or not re.fullmatch("[a-z0-9_.-]{1,60}", given) or given in BUILT_IN:
        raise BackendUnavailable(
            f"backend {name!r}: {type_name(candidate)}.name = {shown(given)}, expected a str of "
            f"at most 60 [a-z0-9_.-], such as name = 'mine', and none of {', '.join(BUILT_IN)}"
        )
    return cast(Backend, candidate)


def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        if not all(part.isidentifier() for part in place.split(".")):
            raise BackendUnavailable(
                f"{shown(place)} is neither a file that ends in .py nor the name of a module"
            )
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    path = Path(place)
    if not path.is_file():
        raise BackendUnavailable(f"backend file {place} does not exist (looked in {Path.cwd()})")
    spec = importlib.util.spec_from_file_location(f"rnn_parity_external_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BackendUnavailable(f"backend file {place} cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
