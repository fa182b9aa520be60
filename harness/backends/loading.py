"""From a reference to a backend, or a message that says what to do."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from packaging.specifiers import SpecifierSet

from harness.backends.deferred import building_late
from harness.backends.installed import BACKENDS, DISTRIBUTION, entry_points, package_of
from harness.backends.protocol import Backend, BackendUnavailable, offers
from harness.backends.reference import Kind, Reference
from harness.config import Config
from harness.text import did_you_mean, one_line

__all__ = [
    "found_reference",
    "load_backend",
    "parse_reference",
    "unsupported_reason",
    "versions_of",
    "wrapped_by",
]


WRAPPED = re.compile(r"[a-z0-9_.-]{1,60}(:[a-z0-9_.-]+)?")


def parse_reference(text: str) -> Reference:
    """Read a reference. Raises BackendUnavailable, as `Reference.parse`."""
    return Reference.parse(text, entry_points(BACKENDS))


def found_reference(text: str) -> Reference:
    """As `parse_reference`, of what there is to load. Raises BackendUnavailable: no such file."""
    reference = parse_reference(text)
    if reference.kind is Kind.FILE:
        _require_file(reference.name)
    return reference


def _require_file(place: str) -> None:
    if not Path(place).is_file():
        raise BackendUnavailable(f"backend file {place} does not exist (looked in {Path.cwd()})")


def load_backend(reference: str) -> Backend:
    """Load the backend that a reference names.

    OBJECT may be a backend or a class (or function) without arguments that makes one. An installed
    backend is named after its reference, a backend of a file or module has a name of its own.

    Raises:
        BackendUnavailable: with what to install, or what the object lacks.
    """
    parsed = parse_reference(reference)
    found = _installed(parsed) if parsed.kind is Kind.INSTALLED else _external(parsed)
    return building_late(found)


def unsupported_reason(backend: Backend, config: Config) -> str | None:
    """Why the backend documents that it does not do what the config asks for, or None."""
    ask = getattr(backend, "unsupported", None)
    reason = None if ask is None else ask(config)
    if reason is True:
        return "it says so, and gives no reason"
    return str(reason) if reason else None


def versions_of(backend: Backend) -> dict[str, str]:
    """Name and version of everything the backend wants to see in the report's header.

    Raises:
        BackendUnavailable: `versions` raises, or gives no mapping.
    """
    ask = getattr(backend, "versions", None)
    if ask is None:
        return {}
    try:
        return {one_line(name): one_line(version) for name, version in dict(ask()).items()}
    except Exception as error:
        raise BackendUnavailable(
            f"{type(backend).__name__}.versions() raised {_raised(error)}; expected a dict of texts"
        ) from error


def wrapped_by(backend: Backend) -> str:
    """The framework that it says it wraps, as a baseline names it: 'torch'; or ''.

    Raises:
        BackendUnavailable: `wraps` is no such name, or its own.
    """
    name = getattr(backend, "wraps", None)
    if name is None:
        return ""
    if not isinstance(name, str) or not WRAPPED.fullmatch(name) or name == backend.name:
        raise BackendUnavailable(
            f"{type(backend).__name__}.wraps = {name!r}, expected the name of the backend that it "
            "wraps without its version, such as wraps = 'torch'"
        )
    return name


def _raised(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error, 300)}"


def _installed(reference: Reference) -> Backend:
    entry = entry_points(BACKENDS)[reference.name]
    try:
        made = entry.load()
    except ImportError as error:
        raise BackendUnavailable(
            f"backend {str(reference)!r} cannot be imported ({error}); install it with: "
            f"{_installing(entry)}"
        ) from error
    if reference.variant:
        variants = tuple(getattr(made, "variants", None) or ())
        if reference.variant not in variants:
            expected = f"expected one of {', '.join(variants)}" if variants else "it has none"
            raise BackendUnavailable(
                f"backend {str(reference)!r}: {reference.name} has no variant "
                f"{reference.variant!r}; {expected}{did_you_mean(reference.variant, variants)}"
            )
        backend = made(reference.variant)
    else:
        backend = made() if _makes(made) else made
    _require_build(backend, reference)
    base = Reference(reference.kind, reference.name, reference.version)
    backend.name, backend.variant_of = str(reference), str(base) if reference.variant else ""
    _require_version(backend, reference)
    return cast(Backend, backend)


def _installing(entry: EntryPoint) -> str:
    package = package_of(entry)
    if package == DISTRIBUTION:  # each of its frameworks is an extra
        return f"pip install -c constraints.txt '{package}[{entry.name}]'"
    return f"pip install {package}"


def _require_version(backend: Backend, reference: Reference) -> None:
    if not reference.version:
        return
    name, version = next(iter(versions_of(backend).items()), (reference.name, ""))
    if not version:
        raise BackendUnavailable(
            f"backend {str(reference)!r}: {reference.name} does not report its version, so none "
            "can be asked for"
        )
    own = package_of(entry_points(BACKENDS)[reference.name]) == DISTRIBUTION
    if not SpecifierSet(f"=={reference.version}").contains(version, prereleases=True):
        raise BackendUnavailable(
            f"backend {str(reference)!r}: {name} {version} is installed here; install the other "
            f"version with: pip install '{name}=={reference.version}'"
            + (f", or make parity {name.upper()}={reference.version}" if own else "")
        )


def _require_build(candidate: Any, reference: Reference) -> None:
    if not any(callable(getattr(candidate, name, None)) for name in ("build", "build_with")):
        raise BackendUnavailable(
            f"backend {str(reference)!r}: {type(candidate).__name__} has no method "
            "build(options), nor build_with(options, weights); the README's section 'Your own "
            "implementation' shows a complete one"
        )


def _external(reference: Reference) -> Backend:
    name, place, attribute = str(reference), reference.name, reference.object
    try:
        module = _module(reference)
    except BackendUnavailable:
        raise
    except Exception as error:
        near = did_you_mean(place, entry_points(BACKENDS))
        raise BackendUnavailable(
            f"backend {name!r}: importing {place} raised {_raised(error)}{near}"
        ) from error
    candidate: Any = getattr(module, attribute, None)
    if candidate is None:
        public = [n for n in vars(module) if not n.startswith("_")]
        public[10:] = ["..."] * (len(public) > 10)
        raise BackendUnavailable(
            f"backend {name!r}: {place} has no {attribute!r}; it defines " + ", ".join(public)
        )
    if _makes(candidate):
        try:
            candidate = candidate()
        except Exception as error:
            raise BackendUnavailable(
                f"backend {name!r}: {attribute}() raised {_raised(error)}; "
                "expected an object, or a class that takes no arguments"
            ) from error
    _require_build(candidate, reference)
    given = getattr(candidate, "name", None)
    taken = entry_points(BACKENDS)
    if not isinstance(given, str) or not re.fullmatch("[a-z0-9_.-]{1,60}", given) or given in taken:
        raise BackendUnavailable(
            f"backend {name!r}: {type(candidate).__name__}.name = {given!r}, expected a str of "
            f"at most 60 [a-z0-9_.-], such as name = 'mine', and none of {', '.join(taken)}"
        )
    return cast(Backend, candidate)


def _makes(candidate: Any) -> bool:
    """Whether it is not a backend itself, but makes one."""
    return isinstance(candidate, type) or (
        callable(candidate) and not (offers(candidate, "build") or offers(candidate, "build_with"))
    )


def _module(reference: Reference) -> ModuleType:
    place = reference.name
    if reference.kind is Kind.MODULE:
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    _require_file(place)
    path = Path(place)
    folder = str(path.resolve().parent)
    if folder not in sys.path:  # last, so that nothing there stands in for what is installed
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(f"rnn_parity_external_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BackendUnavailable(f"backend file {place} cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
