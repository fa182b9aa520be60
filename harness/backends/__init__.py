"""Who is tested: the protocol, the two frameworks, and anyone else's implementation."""

from harness.backends.installed import absent_backends, default_backends
from harness.backends.loading import found_reference, load_backend, parse_reference
from harness.backends.protocol import Backend, BackendUnavailable, Layer

__all__ = [
    "Backend",
    "BackendUnavailable",
    "Layer",
    "absent_backends",
    "default_backends",
    "found_reference",
    "load_backend",
    "parse_reference",
]
