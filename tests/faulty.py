"""Implementations of the protocol for tests: a right one, and ones with one fault each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.case import NUMPY_DTYPES
from harness.config import LayerOptions
from reference import exact_activation, rnn

Array = Any


class OracleLayer:
    """The oracle's values, rounded to the layer's dtype."""

    def __init__(self, options: LayerOptions) -> None:
        self.options = options
        self.calls = 0

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        self.weights = dict(weights)

    def read_weights(self) -> Mapping[str, Array]:
        return self.weights

    def used_weights(self) -> Mapping[str, Array]:
        """What the layer computes with; a fault may differ from what it reads back."""
        return self.weights

    def activation(self, a: Array) -> Array:
        return exact_activation(self.options.nonlinearity, a)

    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        o = self.options
        return rnn(
            x,
            h_0,
            self.used_weights(),
            num_layers=o.num_layers,
            nonlinearity=self.activation,
            bias=o.bias,
            batch_first=o.batch_first,
            bidirectional=o.bidirectional,
            lengths=lengths,
        )

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        self.calls += 1
        dtype = NUMPY_DTYPES[self.options.dtype]
        output, h_n = self.evaluate(x, h_0, lengths)
        with np.errstate(over="ignore"):
            return output.astype(dtype), h_n.astype(dtype)


class OracleBackend:
    """A backend made of one kind of layer."""

    layer: type[OracleLayer] = OracleLayer
    name = "right"

    def build(self, options: LayerOptions) -> Any:
        return self.layer(options)


def backend(layer: type[OracleLayer], name: str = "faulty") -> OracleBackend:
    """A backend that builds this kind of layer."""
    made = OracleBackend()
    made.layer, made.name = layer, name
    return made


def per_time(layer: OracleLayer, array: Array) -> Array:
    """A view of an output with time as its first axis."""
    return array.swapaxes(0, 1) if layer.options.batch_first and array.ndim == 3 else array


class ScaledOutput(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        factor = output.dtype.type(1 + 2.0**-15)
        return output * factor, h_n * factor


class FirstLayersState(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        first = h_n[: 2 if self.options.bidirectional else 1]
        return output, np.concatenate([first] * self.options.num_layers)


class IgnoresLengths(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        return super().evaluate(x, h_0, None)


class DropsBias(OracleLayer):
    def used_weights(self) -> Mapping[str, Array]:
        return {k: v * (0 if k.startswith("bias_hh") else 1) for k, v in self.weights.items()}


class TransposedRecurrence(OracleLayer):
    def used_weights(self) -> Mapping[str, Array]:
        return {k: v.T if k.startswith("weight_hh") else v for k, v in self.weights.items()}


class SwappedDirections(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        half = self.options.hidden_size
        if self.options.bidirectional:
            output = np.concatenate([output[..., half:], output[..., :half]], axis=-1)
        return output, h_n


class RationalTanh(OracleLayer):
    """The [7/6] Pade approximant, cut off at 5: within 1e-3 of tanh."""

    def activation(self, a: Array) -> Array:
        a = np.clip(a, -5, 5)
        s = a * a
        return (
            a
            * (135135 + s * (17325 + s * (378 + s)))
            / (135135 + s * (62370 + s * (3150 + s * 28)))
        )


class BeyondOne(OracleLayer):
    """One ulp beyond 1: within every bound of the residual, and still no tanh."""

    def activation(self, a: Array) -> Array:
        value = super().activation(a)
        return np.where(np.abs(value) > 1 - 1e-9, np.sign(value) * (1 + 2.0**-23), value)


class InexactIntegers(OracleLayer):
    """One ulp off: allowed to rounding, but sums of small integers need none."""

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return np.nextafter(output, output.dtype.type(0)), np.nextafter(h_n, h_n.dtype.type(0))


class WritesToInput(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        result = super().forward(x, h_0, lengths)
        x[...] = 0
        return result


class CarriesState(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        return output + 2.0**-20 * (self.calls - 1), h_n


class PaddingNotZeroed(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        return np.where(output == 0, 0.25, output) if lengths is not None else output, h_n


class PaddingLeaks(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        if lengths is not None:
            leak = per_time(self, np.nan_to_num(x, posinf=3, neginf=-3))[-1]
            output = output * (
                1
                + 1e-3
                * (leak.sum(axis=-1) % 1)[
                    (slice(None), None, None)
                    if self.options.batch_first
                    else (None, slice(None), None)
                ]
            )
        return output, h_n


class RowsMixed(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        axis = 0 if self.options.batch_first else 1
        if output.ndim == 3:
            output = output + 1e-3 * np.roll(output, 1, axis=axis)
        return output, h_n


class TwinsDiffer(OracleLayer):
    """The last row is computed a little differently: its place matters."""

    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        if output.ndim == 3:
            last = output[-1] if self.options.batch_first else output[:, -1]
            last *= 1 + 1e-4
        return output, h_n


class HiddenLayersSwapped(OracleLayer):
    """h_n of the hidden layers of a stack in the wrong order, or changed where there is one."""

    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        rows = (self.options.num_layers - 1) * (2 if self.options.bidirectional else 1)
        h_n[:rows] = h_n[:rows][::-1] * h_n.dtype.type(0.5)
        return output, h_n


class ReadsBackOther(OracleLayer):
    def read_weights(self) -> Mapping[str, Array]:
        return {k: np.nextafter(v, v.dtype.type(9)) for k, v in self.weights.items()}


class ReturnsList(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        return list(super().forward(x, h_0, lengths))


class ReturnsFloat64(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        return tuple(a.astype(np.float64) for a in super().forward(x, h_0, lengths))


class WrongShape(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return output[:-1], h_n


class ReturnsNan(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return np.full_like(output, np.nan), np.full_like(h_n, np.nan)


class OneNan(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        output.flat[0] = np.nan
        return output, h_n


class Raises(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        raise RuntimeError("no kernel for this shape\n(second line)")


class Exits(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        raise SystemExit(3)


class CarriesStateAtTheEnd(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        per_time(self, output)[-1] += 2.0**-20 * (self.calls - 1)
        return output, h_n


class SecondCallOddRows(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        if self.calls > 1:
            output[:, 1::2] += 0.125
        return output, h_n


class ReusesItsOutput(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        if self.calls == 1:
            self.buffer = output
        self.buffer[...] = output
        return self.buffer, h_n


class WritesToState(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        result = super().forward(x, h_0, lengths)
        h_0[0] += 1
        return result


class WritesToLengths(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        result = super().forward(x, h_0, lengths)
        lengths.sort()
        return result


class StaleWeights(OracleLayer):
    def load_weights(self, weights: Mapping[str, Array]) -> None:
        super().load_weights(weights)
        if not hasattr(self, "first"):
            self.first = dict(weights)

    def used_weights(self) -> Mapping[str, Array]:
        return self.first


class WrongAtLastStep(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        last = per_time(self, output)[-1]
        last += 2.0**-10 * (last != 0) * (len(per_time(self, output)) > 1)
        return output, h_n


class EmptyRowsForgetTheirState(OracleLayer):
    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        output, h_n = super().evaluate(x, h_0, lengths)
        if lengths is not None:
            h_n[:, lengths == 0] = 0
        return output, h_n


class LastStateOneUlpOff(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        return output, np.nextafter(h_n, h_n.dtype.type(0))


class NegativeHalfWrong(OracleLayer):
    def activation(self, a: Array) -> Array:
        return np.where(a < -1, super().activation(a) * (1 + 2.0**-18), super().activation(a))


class NotQuiteOdd(OracleLayer):
    """Within 5 ulp everywhere, but not the same on both sides."""

    def activation(self, a: Array) -> Array:
        return np.where(a < 0, super().activation(a) * (1 + 2.0**-23), super().activation(a))


class OtherOrderWhenDeep(OracleLayer):
    """Legal float32 arithmetic, summed from the other end where there is more than one layer."""

    def evaluate(self, x: Array, h_0: Array, lengths: Array) -> tuple[Array, Array]:
        o, y = self.options, x
        order = -1 if o.num_layers > 1 else 1
        valid = np.arange(len(x))[:, None] < (len(x) if lengths is None else lengths)
        h_n = np.array(h_0)
        for k in range(o.num_layers):
            w_ih, w_hh, b_ih, b_hh = (
                self.weights[f"{kind}_l{k}"]
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            steps = []
            for t in range(len(y)):
                a = np.zeros_like(h_n[k])
                terms = [
                    *(y[t][:, [j]] * w_ih[:, j] for j in range(w_ih.shape[1])),
                    *(h_n[k][:, [j]] * w_hh[:, j] for j in range(w_hh.shape[1])),
                    b_ih,
                    b_hh,
                ]
                for term in terms[::order]:
                    a = a + np.nan_to_num(term, posinf=0, neginf=0)
                h = np.tanh(a.astype(np.float64)).astype(np.float32)
                h_n[k] = np.where(valid[t][:, None], h, h_n[k])
                steps.append(np.where(valid[t][:, None], h, 0))
            y = np.stack(steps).astype(np.float32)
        return y, h_n


right = OracleBackend()
scaled = backend(ScaledOutput)
returns_list = backend(ReturnsList)
nan = backend(ReturnsNan)
nameless = object()


class Hostile(OracleLayer):
    def forward(self, x: Array, h_0: Array, lengths: Array) -> Any:
        raise RuntimeError("<script>alert(1)</script> [bold]x[/] \x1b[31m\x00\x07 \ud800 ]]>")


float64 = backend(ReturnsFloat64)
shape = backend(WrongShape)
raises = backend(Raises)
exits = backend(Exits)
reads_back = backend(ReadsBackOther)
hostile = backend(Hostile)


class RefusesEverything(OracleBackend):
    name = "silent"

    def unsupported(self, config: Any) -> str:
        return "not today"


class RefusesLengths(OracleBackend):
    name = "partial"

    def unsupported(self, config: Any) -> str | None:
        return None if config.lengths == "nolens" else "no lengths"


silent = RefusesEverything()
partial = RefusesLengths()
