"""Mistakes in gradients of long sequences, and of one step where other options meet it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.faults.arrays import Arrays, final, initial, resumed, with_final, with_initial
from harness.faults.gradients import of_parameters
from harness.faults.record import Area, has_gates_and_steps
from harness.faults.weights import each
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("gradients")


def _chunks(layer: Any, given: Arrays, cotangents: Arrays, ends: Sequence[int]) -> Arrays:
    """Gradients of one sequence cut into several, with states that are detached in between."""
    starts, found, state = [0, *ends], [], initial(given)
    for start, end in zip(starts, [*ends, len(given["x"])], strict=True):
        part = {"x": given["x"][start:end], **state}
        asked = {n: a[start:end] if n == "output" else a for n, a in cotangents.items()}
        if end < len(given["x"]):
            asked = with_final(asked, np.zeros_like)
            state = resumed(layer.run(part))
        if not asked:
            asked = {"output": np.zeros_like(layer.run(part)["output"])}
        found.append(layer.run_gradients(part, asked))
    names = of_parameters(found[0])
    sums = {n: np.sum([one[n] for one in found], axis=0, dtype=a.dtype) for n, a in names.items()}
    first = {n: found[0][n] for n in initial(given)}
    return {"x": np.concatenate([one["x"] for one in found]), **first, **sums}


class _Side:
    """One direction of a bidirectional layer, run as a layer of its own."""

    def __init__(self, layer: Any, reverse: bool) -> None:
        self.inner, self.time_first = layer.single(0, reverse), layer.time_first

    def run(self, given: Arrays) -> Arrays:
        found: Arrays = dict(self.inner.forward(given))
        return found

    def run_gradients(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = dict(self.inner.gradients(given, cotangents))
        return {n: a for n, a in found.items() if n != "output" and not n.endswith("_n")}


class CutInReverse(WrappedLayer):
    """Gradients of a bidirectional layer whose reverse direction alone is cut."""

    def ends(self, steps: int) -> list[int]:
        """After how many steps of the reverse direction it is cut."""
        raise NotImplementedError

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = self.run_gradients(given, cotangents)
        ends = self.ends(len(given["x"]))
        if not ends or not self.options.bidirectional or self.options.num_layers > 1:
            return found
        if "lengths" in given:
            return found
        hidden = self.options.output_size
        turned = {n: a[1:2] if n.endswith("_0") else a[::-1].copy() for n, a in given.items()}
        asked = {
            n: a[1:2] if n.endswith("_n") else a[::-1, :, hidden:].copy()
            for n, a in cotangents.items()
        }
        side = _Side(self, True)
        whole, cut = side.run_gradients(turned, asked), _chunks(side, turned, asked, ends)
        seen = dict(found)
        seen["x"] = found["x"] + (cut["x"] - whole["x"])[::-1]
        for name in initial(given):
            seen[name] = np.concatenate([found[name][:1], cut[name]])
        for name in of_parameters(whole):
            seen[f"{name}_reverse"] = cut[name]
        return seen


@AREA.fault("reverse-direction-cut-after-128-steps")
class CutAfter128InReverse(CutInReverse):
    """Backwards through the reverse direction alone, the state is detached every 128 steps."""

    def ends(self, steps: int) -> list[int]:
        return list(range(128, steps, 128))


@AREA.fault("reverse-direction-cut-at-256", bases=("torch", "oracle"))
class CutAt256InReverse(CutInReverse):
    """The tape of the reverse direction holds 256 steps; what is older is dropped."""

    def ends(self, steps: int) -> list[int]:
        return [steps - 256] if steps > 256 else []


@AREA.fault("bptt-cut-after-128-steps")
class CutAfter128(WrappedLayer):
    """The state is detached every 128 steps."""

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        steps = len(given["x"])
        if "lengths" in given or self.options.bidirectional or steps <= 128:
            return self.run_gradients(given, cotangents)
        return _chunks(self, given, cotangents, list(range(128, steps, 128)))


@AREA.fault("h-n-reaches-back-128-steps")
class ReachesBack(WrappedLayer):
    """A loss of the final states alone is taken back through the last 128 steps, no further."""

    reach = 128

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        steps = len(given["x"])
        if "output" in cotangents or "lengths" in given or steps <= self.reach:
            return self.run_gradients(given, cotangents)
        if self.options.bidirectional:
            return self.run_gradients(given, cotangents)
        return _chunks(self, given, cotangents, [steps - self.reach])


@AREA.fault("h-n-of-gates-reaches-back-32-steps", needs=has_gates_and_steps)
class GatesReachBack(ReachesBack):
    """Of a gated layer a loss of the final states alone is taken back through 32 steps."""

    reach = 32


@AREA.gradients("h-0-of-padded-rows-detached-after-32-steps", needs=has_gates_and_steps)
def detached_when_padded(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Of a gated layer and rows of more than 32 valid steps, initial states get no gradient."""
    if "lengths" not in given:
        return found
    long = (np.asarray(given["lengths"]) > 32)[None, :, None]
    return with_initial(found, lambda a: np.where(long, a.dtype.type(0), a))


@AREA.gradients("h-0-of-long-rows-detached")
def detached_when_long(layer: Any, given: Arrays, found: Arrays) -> Arrays:
    """Of rows longer than 128 steps, initial states get no gradient."""
    steps, rows = given["x"].shape[:2]
    long = (given.get("lengths", np.full(rows, steps)) > 128)[None, :, None]
    return with_initial(found, lambda a: np.where(long, a.dtype.type(0), a))


class OneStep(WrappedLayer):
    """A mistake in gradients of one step."""

    def meets(self, given: Arrays, cotangents: Arrays) -> bool:
        raise NotImplementedError

    def wrong(self, given: Arrays, found: Arrays) -> Arrays:
        raise NotImplementedError

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = self.run_gradients(given, cotangents)
        one = len(given["x"]) == 1 and self.meets(given, cotangents)
        return self.wrong(given, found) if one else found


def _sparse(cotangents: Mapping[str, Array]) -> bool:
    return "output" in cotangents and not any(a.any() for a in final(cotangents).values())


@AREA.fault("one-step-unbatched-h-0-gradient-lost", bases=("torch", "oracle"))
class UnbatchedInitialLost(OneStep):
    """Of one step that is unbatched, h_0 gets no gradient from a loss of h_n alone."""

    def meets(self, given: Arrays, cotangents: Arrays) -> bool:
        return self.flat and "output" not in cotangents and bool(initial(given))

    def wrong(self, given: Arrays, found: Arrays) -> Arrays:
        return with_initial(found, np.zeros_like)


@AREA.fault("one-step-unbatched-large-loss-clipped", bases=("torch", "oracle"))
class UnbatchedClipped(OneStep):
    """Of one step that is unbatched, gradients beyond 1000 are clipped, from h_0 on only."""

    def meets(self, given: Arrays, cotangents: Arrays) -> bool:
        return self.flat and bool(initial(given))

    def wrong(self, given: Arrays, found: Arrays) -> Arrays:
        return each(found, "", lambda a: np.clip(a, a.dtype.type(-1000), a.dtype.type(1000)))


@AREA.fault("one-step-in-training-x-gradient-doubled")
class DoubledInTraining(OneStep):
    """In training mode one step with h_0 gives x its gradient twice, if h_n is not in the loss."""

    def meets(self, given: Arrays, cotangents: Arrays) -> bool:
        return self.training and bool(initial(given)) and _sparse(cotangents)

    def wrong(self, given: Arrays, found: Arrays) -> Arrays:
        return {**found, "x": found["x"] * found["x"].dtype.type(2)}


@AREA.fault("one-step-of-one-row-with-lengths")
class OneRowWithLengths(OneStep):
    """One row of one step with lengths: a loss of the output alone gives b_hh nothing."""

    def meets(self, given: Arrays, cotangents: Arrays) -> bool:
        return given["x"].shape[1] == 1 and "lengths" in given and _sparse(cotangents)

    def wrong(self, given: Arrays, found: Arrays) -> Arrays:
        return each(found, "bias_hh", np.zeros_like)


@AREA.fault("one-step-batch-first-h-0-gradient-turned")
class TurnedBatchFirst(OneStep):
    """Batch first, rows of the gradient of h_0 come in reverse order, for a loss of h_n alone."""

    def meets(self, given: Arrays, cotangents: Arrays) -> bool:
        return self.options.batch_first and "output" not in cotangents

    def wrong(self, given: Arrays, found: Arrays) -> Arrays:
        return with_initial(found, lambda a: a[:, ::-1])
