"""The config that an id and options of the command line stand for, and what is near a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.config import Config, ConfigError, percent_of
from harness.data import NUMPY_DTYPES
from harness.layers import LAYERS
from harness.text import did_you_mean

__all__ = ["config_of"]

SIZES = {"input_size": 4, "hidden_size": 4, "batch": 4, "steps": 8}
"""Where options leave them open."""


def config_of(config_id: str | None, given: Mapping[str, Any]) -> Config:
    """The config of an id, changed by options; or of options alone, the rest being defaults.

    Args:
        given: options of the command line, by field or by torch's name.

    Raises:
        ConfigError: no such config.
    """
    values = _fields(given)
    if config_id is not None:
        config = Config.understood(config_id)
        return config.replace(**values) if values else config
    layer = values.pop("layer", Config().layer)
    if layer not in LAYERS:
        raise ConfigError(
            f"--layer {layer!r}, expected one of {', '.join(LAYERS)}{did_you_mean(layer, LAYERS)}"
        )
    record = LAYERS[layer]
    sizes = {name: size for name, size in SIZES.items() if name not in record.fixed}
    if values.get("layout") == "unbatched":
        sizes["batch"] = 1
    data = {} if "scale" in values else {"data": "plain"}  # as users have it; mixed has extremes
    return Config.of(layer, **{**sizes, **data, **values})


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as fields of a config: dropout is in percent there, the layout one word."""
    values = dict(given)
    for option, layout in (("batch_first", "batchfirst"), ("unbatched", "unbatched")):
        if values.pop(option, False):
            values["layout"] = layout
    if "dropout" in values:
        values["dropout"] = percent_of(values["dropout"])
    if "dtype" in values:
        ours = {dtype.name: word for word, dtype in NUMPY_DTYPES.items()}
        values["dtype"] = ours.get(values["dtype"], values["dtype"])
    return values
