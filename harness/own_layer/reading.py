"""The process that reads one file of a framework: `python -m harness.own_layer.reading`.

It writes the parameters of recurrent layers into a folder as plain arrays, and ends.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import msgspec
import numpy as np

from harness.backends import BackendUnavailable, load_backend
from harness.backends.protocol import FullBackend, offers
from harness.given import save_given
from harness.observe.arrays import is_number
from harness.observe.errors import headline
from harness.own_layer.names import is_parameter
from harness.own_layer.stored import Read

__all__ = ["read_into"]


def read_into(framework: str, path: Path, folder: Path) -> Read:
    """What there was besides what is now in the folder, or why there is nothing."""
    try:
        backend = load_backend(framework)
        if not offers(backend, "stored_weights"):
            return Read(f"the backend {framework} reads no files")
        every = cast(FullBackend, backend).stored_weights(path)
        arrays = {
            name: np.asarray(array)
            for name, array in every.items()
            if is_parameter(name) and is_number(np.asarray(array).dtype)
        }
        others = {name: array.shape for name, array in every.items() if name not in arrays}
        save_given(folder, arrays, {})
    except BackendUnavailable as error:
        return Read(f"it is a file of {framework}; {error}")
    except BaseException as error:  # whatever a damaged file makes of its reader
        return Read(f"{framework} cannot read it: {headline(error)}")
    return Read(others=others)


if __name__ == "__main__":
    read = read_into(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    (Path(sys.argv[3]) / "read.json").write_bytes(msgspec.json.encode(read))
