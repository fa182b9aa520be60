"""A script that builds the layer in a framework, and shows that it computes what the layer did.

It reads the arrays beside it, copies the weights by name, sets the mode, calls the layer as the
user does, and asserts that outputs are those of the equation within the bound that was found.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.axes import to_layout
from harness.blocks import case_of
from harness.case import Part, row_blocks
from harness.config import Config
from harness.expectations import Judged
from harness.minimise.forms import ScriptForm
from harness.oracle import Oracle
from harness.own_layer.asked import ARRAYS
from harness.results import as_float
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["remove_ports", "write_port"]

CALL = "call"
"""The folder of what goes in and what the equation gives (float64), in the layout of the call."""


def write_port(
    out: Path, backend: str, form: ScriptForm, oracle: Oracle, results: Sequence[Judged]
) -> Path:
    """Write the script of a backend, and what it compares with. Raises OSError."""
    results = [r for r in results if r.config_id == oracle.case.config.id]
    rows = row_blocks(oracle.case.config)[0]  # of a large case a few rows are enough
    if len(rows) < oracle.case.config.batch:
        oracle = Oracle(case_of(Part(oracle.case, rows)))
    config, case = oracle.case.config, oracle.case
    (out / CALL).mkdir(exist_ok=True)
    for name, array in {**case.inputs, **oracle.exact}.items():
        np.save(out / CALL / f"{name}.npy", _bits(to_layout(config, name, array)))
    path = out / f"port_to_{backend.replace(':', '_')}.py"
    bounds = {name: _bound(name, oracle, results) for name in oracle.exact}
    path.write_text("\n".join(_lines(backend, form, oracle, bounds)) + "\n", "utf-8")
    return path


def remove_ports(out: Path) -> None:
    """Remove the scripts of a judgement before, and what they compared with. Raises OSError."""
    for path in (*out.glob("port_to_*.py"), *(out / CALL).glob("*.npy")):
        path.unlink()


def _bits(array: Array) -> Array:
    bits: Array = array.view(np.uint16) if array.dtype.kind == "V" else array
    return bits


def _bound(name: str, oracle: Oracle, results: Sequence[Judged]) -> float:
    """What the forward error may be; where a known difference was found, what it was."""
    with np.errstate(all="ignore"):
        tolerance = oracle.tolerance[name]
    bound = float(tolerance[np.isfinite(tolerance)].max(initial=0.0))
    found = [
        as_float(r.max_abs)
        for r in results
        if (r.check, r.part, r.against) == ("forward_error", name, None)
        and (r.verdict is Verdict.PASS or r.known)
        and r.max_abs is not None
    ]
    return max([bound, *found])


def _lines(
    backend: str, form: ScriptForm, oracle: Oracle, bounds: Mapping[str, float]
) -> Iterator[str]:
    case = oracle.case
    config = case.config
    yield f'"""The layer in {backend}, its weights copied by name, its outputs compared."""'
    yield ""
    yield "from pathlib import Path"
    yield ""
    yield from (f"import {name}" for name in form.imports(torch=False))
    yield ""
    yield "here = Path(__file__).resolve().parent"
    yield ""
    if config.dtype == "bf16":
        yield "def array(folder, name):"
        yield '    bits = np.load(here / folder / f"{name}.npy").astype(np.uint32)'
        yield "    return (bits << 16).view(np.float32)  # of bfloat16"
    else:
        yield "def array(folder, name):"
        yield '    return np.load(here / folder / f"{name}.npy")'
    yield ""
    yield from form.mode
    yield f"rnn = {form.layer(config)}"
    yield "names = ["
    for _, layer in itertools.groupby(case.weights, lambda name: name.rpartition("_l")[2]):
        yield f"    {', '.join(repr(_own_name(config, name)) for name in layer)},".replace("'", '"')
    yield "]"
    stored = 'f"{name}_l0"' if config.record.single_step else "name"
    yield f'w = {{name: array("{ARRAYS}", {stored}) for name in names}}'
    yield from form.load
    yield f"{form.evaluate}  # dropout drops nothing, whatever the mode was"
    for name in case.inputs:
        of_bits = name != "lengths" or config.dtype != "bf16"
        loaded = f'array("{CALL}", "{name}")' if of_bits else f'np.load(here / "{CALL}/{name}.npy")'
        yield f"{name} = {loaded}"
    yield ""
    yield from form.port(case)
    yield ""
    yield "found = {"
    yield from (f'    "{n}": {text},' for n, text in _outputs(config).items())
    yield "}"
    yield f"bounds = {{{', '.join(f'{n!r}: {bound!r}' for n, bound in bounds.items())}}}"
    yield "for name, bound in bounds.items():"
    yield f'    expected = np.load(here / "{CALL}" / f"{{name}}.npy")'
    yield f"    actual = {form.array('found[name]', config)}"
    yield "    assert actual.shape == expected.shape, (name, actual.shape, expected.shape)"
    yield "    error = np.abs(actual.astype(np.float64) - expected).max()"
    yield '    print(f"{name}: largest error {error:.3g}, bound {bound:.3g}")'
    yield "    assert error <= bound, (name, error, bound)"


def _own_name(config: Config, name: str) -> str:
    """As the framework calls a parameter: those of cells have no layer."""
    return name.removesuffix("_l0") if config.record.single_step else name


def _outputs(config: Config) -> dict[str, str]:
    """Expressions of what `returned` holds, as both frameworks return it."""
    states = config.cell.states
    if config.record.single_step:
        finals = (
            ["returned"] if len(states) == 1 else [f"returned[{n}]" for n in range(len(states))]
        )
        return {"output": finals[0]} | {
            f"{state}_n": text for state, text in zip(states, finals, strict=True)
        }
    finals = ["final"] if len(states) == 1 else [f"final[{n}]" for n in range(len(states))]
    return {"output": "output"} | {
        f"{state}_n": text for state, text in zip(states, finals, strict=True)
    }
