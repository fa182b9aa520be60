"""Who is tested: the protocol, the two frameworks, and anyone else's implementation."""

from harness.backends.loading import load_backend
from harness.backends.protocol import Backend, BackendUnavailable, Layer

__all__ = ["Backend", "BackendUnavailable", "Layer", "load_backend"]
