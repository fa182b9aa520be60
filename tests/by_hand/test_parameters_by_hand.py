"""Initial weights and checkpoints, from observations written by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, kstwo

from harness.checks import every_check
from harness.checks.checkpoint_across import checkpoint_across
from harness.checks.checkpoint_own import checkpoint_own
from harness.checks.initial_distribution import initial_distribution
from harness.checks.initial_names import initial_names
from harness.checks.initial_order import initial_order
from harness.checks.initial_seed import initial_seed
from harness.checks.initial_side_effects import initial_side_effects
from harness.checks.registry import Check
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.observe import Checkpoint, InitialWeights, RepeatedCalls
from reference.arrays import Array
from tests.synthetic import evidence_of, wording

SHAPES = {"weight_ih_l0": (2, 3), "weight_hh_l0": (2, 2), "bias_ih_l0": (2,), "bias_hh_l0": (2,)}
INITIAL = Config.of(aspect="initial", data="plain", input_size=3, hidden_size=2, batch=7)


def layer(start: float = 0.0, dtype: str = "f") -> dict[str, Array]:
    return {
        name: (start + np.arange(math.prod(shape))).reshape(shape).astype(dtype)
        for name, shape in SHAPES.items()
    }


def initial(
    *layers: Any, seeded: Any = (), advanced: bool = False, config: Config = INITIAL
) -> Evidence:
    return evidence_of(config, details=InitialWeights(layers, seeded, advanced))


OF_DETAILS = ("initial", "checkpoint", "dropout", "call", "repeated_calls")


@pytest.mark.parametrize(
    "check",
    [one for one in every_check() if one.name.startswith(OF_DETAILS)],
    ids=lambda check: str(check.name),
)
def test_where_nothing_was_observed_nothing_is_concluded(check: Check) -> None:
    """Nor where something else was asked for."""
    asked = check.name.startswith("call")
    config = INITIAL.replace(aspect="call.x.flat") if asked else INITIAL
    for details in (None, RepeatedCalls(())):
        found = check.run(evidence_of(config, {}, details=details))
        assert {r.verdict for r in found} <= {"inconclusive"}


def test_names_shapes_and_dtypes() -> None:
    (result,) = initial_names(initial(layer(), layer()))
    assert wording(result) == ("names and shapes", "pass", 8, "", None, 0.0)
    renamed = {name.replace("_l0", "_l1"): array for name, array in layer().items()}
    (result,) = initial_names(initial(layer(), renamed))
    message = f"has {dict(zip(renamed, SHAPES.values(), strict=True))}, expected {SHAPES}"
    assert wording(result) == ("names and shapes", "fail", 4, message, "unexplained", None)
    wide = layer(dtype="d") | {"bias_hh_l0": np.zeros(2, np.float16)}
    (result,) = initial_names(initial(wide))
    message = "dtype float16, float64, expected float32"
    assert wording(result) == ("names and shapes", "fail", 4, message, "unexplained", None)


def test_order_of_parameters() -> None:
    (result,) = initial_order(initial(layer()))
    assert wording(result) == ("order", "pass", 4, "", None, 0.0)
    (result,) = initial_order(initial(dict(sorted(layer().items()))))
    message = "parameter 0 is bias_hh_l0, torch's is weight_ih_l0"
    assert wording(result) == ("order", "fail", 4, message, "order", None)
    renamed = {name.upper(): array for name, array in layer().items()}
    assert list(initial_order(initial(renamed))) == []


def spread(size: int, dtype: str = "f", scale: float = 1.0) -> dict[str, Array]:
    """A bias of evenly spaced numbers between -1/sqrt(4) and 1/sqrt(4)."""
    return {"bias_ih_l0": (scale * (np.arange(size) + 0.5) / size - scale / 2).astype(dtype)}


def distribution(*layers: Any, dtype: str = "fp32", hidden_size: int = 4) -> list[tuple[Any, ...]]:
    config = Config.of(aspect="initial", data="plain", hidden_size=hidden_size, dtype=dtype)
    results = [wording(result) for result in initial_distribution(initial(*layers, config=config))]
    parts = [result[0] for result in results]
    return results[: parts.index("independence")]


def test_distribution_of_initial_weights() -> None:
    part, none = "distribution of bias_ih", pytest.approx(0, abs=0.01)
    message = "p = 1 by the Kolmogorov-Smirnov test"
    expected: tuple[Any, ...] = (part, "pass", 301, message, None, none)
    assert distribution(spread(200), spread(101)) == [expected]
    results = initial_distribution(initial(spread(200), spread(101)))
    size = next(r for r in results if r.part == "distribution of bias_ih").power
    assert size == {"smallest_distance": pytest.approx(math.sqrt(math.log(2e9) / 602), rel=1e-12)}
    message = "299 weights are too few to notice anything at 1e-09"
    assert distribution(spread(299)) == [(part, "inconclusive", 299, message, None, none)]
    ((part, verdict, compared, message, cause, ratio),) = distribution(spread(301, scale=0.5))
    assert (part, verdict, compared) == ("distribution of bias_ih", "fail", 301)
    assert message.startswith("not uniform within 1/sqrt(H) = 0.5: p = ")
    assert (cause, ratio > 1) == ("unexplained", True)


def test_weights_of_full_precision_are_tested_as_they_are() -> None:
    """512 numbers spread over 15/16 of the range are 1/32 + 15/16/1024 from uniform at its ends."""
    ((part, *_, ratio),) = distribution(spread(512, scale=15 / 16))
    p = float(kstwo.sf(1 / 32 + 15 / 16 / 1024, 512))
    assert ratio == pytest.approx(math.log(p) / math.log(1e-9), rel=1e-10, abs=0)
    ((part, *_),) = distribution({"bias": spread(400)["bias_ih_l0"]})
    assert part == "distribution of bias"  # of other names `names` says what it has to


def test_range_of_initial_weights() -> None:
    """An ulp beyond 1/sqrt(4) may be rounding, two are not; below as above."""
    for sign, hidden, bound, ulp in ((1, 4, 0.5, 2.0**-24), (-1, 16, 0.25, 2.0**-25)):
        weights = spread(400, scale=2 * bound)
        weights["bias_ih_l0"][7] = sign * (bound + ulp)
        assert distribution(weights, hidden_size=hidden)[0][1] == "pass"
        weights["bias_ih_l0"][7] = sign * (bound + 2 * ulp)
        (result,) = distribution(weights, hidden_size=hidden)
        message = f"1 of 400 beyond 1/sqrt(H) = {bound}"
        assert result == ("range of bias_ih", "fail", 400, message, "unexplained", None)
    both = spread(400, scale=3.0) | {"weight_hh_l0": spread(400)["bias_ih_l0"]}
    assert [r[:2] for r in distribution(both)] == [
        ("range of bias_ih", "fail"),
        ("distribution of weight_hh", "pass"),
    ]


def test_rounding_to_few_bits_is_no_other_distribution() -> None:
    """Float16 of 20,000 numbers in 3 binades has ties, which are spread over an ulp each."""
    found = distribution(spread(20000, "f2"), dtype="fp16")
    assert found[0][1:3] == ("pass", 20000)
    assert found == distribution(spread(20000, "f2"), dtype="fp16")
    ((_, verdict, *_),) = distribution(spread(20000, "f2", 0.9), dtype="fp16")
    assert verdict == "fail"


def test_no_two_parameters_are_equal() -> None:
    def found(*layers: Any) -> Comparison:
        results = initial_distribution(initial(*layers))
        return next(result for result in results if result.part == "independence")

    small = {"bias_ih_l0": np.zeros(3, "f"), "weight_ih_l0": np.arange(4.0)}
    message = "parameters too small to tell"
    assert wording(found(small)) == ("independence", "inconclusive", 0, message, None, None)
    other = {"bias_ih_l0": np.zeros(3, "f"), "weight_ih_l0": np.arange(1.0, 5)}
    assert wording(found(small, other)) == ("independence", "pass", 2, "", None, 0.0)
    longer = {"bias_ih_l0": np.zeros(3, "f"), "bias_ih_l1": np.arange(4.0)}
    assert found(longer, small).verdict == "fail"
    equal = {"weight_hh_l0": np.arange(4.0)}
    message = "two parameters (weight_hh, weight_ih) hold equal numbers"
    result = found(small, equal)
    assert wording(result) == ("independence", "fail", 2, message, "unexplained", None)


def test_numbers_that_were_drawn_before() -> None:
    """Of 1,000, each is one of those before it with 1,000 / 2^23 at most: 0.12 do. Nine have less
    than 0.12^9 / 9! = 1.4e-14, five 2e-7. Few bits hold few numbers: of them nothing is judged.
    """

    def found(*sizes: int, dtype: str = "fp32") -> list[tuple[Any, ...]]:
        layers = [{"weight_hh_l0": np.arange(size) / 1e6} for size in sizes]
        config = INITIAL.replace(dtype=dtype)
        results = initial_distribution(initial(*layers, config=config))
        return [wording(r)[1:] for r in results if r.part == "numbers drawn before"]

    chance = 1000 / 2**23
    p = binom.sf(8, 1000, chance)
    assert 1e-15 < p < 1.4e-14
    message = f"9 of 1000 numbers had been drawn before: probability {p:.1e} by chance"
    ratio = pytest.approx(math.log(p) / math.log(1e-9), rel=1e-9)
    assert found(991, 9) == [("fail", 1000, message, "unexplained", ratio)]
    said_of_five = "5 of 1000 numbers had been drawn before"
    ratio = pytest.approx(math.log(binom.sf(4, 1000, chance)) / math.log(1e-9), rel=1e-9)
    assert found(995, 5) == [("pass", 1000, said_of_five, None, ratio)]
    message = "1 weights are too few to notice anything at 1e-09"
    assert found(1) == [("inconclusive", 1, message, None, 0)]
    assert found(991, 9, dtype="fp16") == []
    assert found(991, 9, dtype="fp64")


def test_seeding() -> None:
    (result,) = initial_seed(initial(seeded=(layer(), layer(), layer(1))))
    assert wording(result) == ("seeding", "pass", 14, "", None, 0.0)
    for seeded, message in (
        ((layer(), layer(1), layer(2)), "the same seed gave other weights"),
        ((layer(), layer(), layer()), "another seed gave the same weights"),
    ):
        (result,) = initial_seed(initial(seeded=seeded))
        assert wording(result) == ("seeding", "fail", 14, message, "unexplained", math.inf)


def test_side_effects() -> None:
    (result,) = initial_side_effects(initial())
    assert wording(result) == ("NumPy's generator", "pass", 1, "", None, 0.0)
    (result,) = initial_side_effects(initial(advanced=True))
    message = "building a layer draws from NumPy's global generator"
    assert wording(result) == ("NumPy's generator", "fail", 1, message, "numpy", None)


def stored(check: Any, **changes: Any) -> list[tuple[Any, ...]]:
    given: dict[str, Any] = {"given": layer(), "own": layer(), "computes": True, **changes}
    return [wording(result) for result in check(evidence_of(INITIAL, details=Checkpoint(**given)))]


def test_weights_through_a_file_of_ones_own() -> None:
    assert stored(checkpoint_own) == [
        ("own file", "pass", 14, "", None, 0.0),
        ("answers", "pass", 21, "", None, 0.0),
    ]
    moved = layer() | {"bias_hh_l0": np.zeros(2, "f"), "bias_ih_l0": np.zeros(2, "d")}
    message = "bias_ih_l0, bias_hh_l0 changed on the way"
    answers = "answers changed by saving, or by loading"
    assert stored(checkpoint_own, own=moved, computes=False) == [
        ("own file", "fail", 14, message, "unexplained", math.inf),
        ("answers", "fail", 21, answers, "unexplained", math.inf),
    ]
    fewer = {name: array for name, array in layer().items() if name != "bias_hh_l0"}
    (result, _) = stored(checkpoint_own, own=fewer | {"bias": np.zeros(2)})
    assert result[3] == "bias, bias_hh_l0 changed on the way"


@pytest.mark.parametrize(
    "other",
    [np.array([0.0, -0.0], "f"), np.zeros((2, 1), "f"), np.zeros(2, "i4")],
    ids=["sign", "shape", "dtype"],
)
def test_a_file_keeps_signs_of_zero_shapes_and_dtypes(other: Array) -> None:
    before, after = layer() | {"bias_hh_l0": np.zeros(2, "f")}, layer() | {"bias_hh_l0": other}
    assert stored(checkpoint_own, given=before, own=after)[0][1] == "fail"


def test_weights_there_and_back() -> None:
    message = "no other backend of this run takes these weights through a file"
    nobody = [("peer", "unsupported", 0, message, None, None)]
    assert stored(checkpoint_across) == nobody
    assert stored(checkpoint_across, peer="other", there=layer()) == nobody
    assert stored(checkpoint_across, peer="other", back=layer()) == nobody
    both = {"peer": "other", "there": layer(), "back": layer()}
    assert [r[:3] for r in stored(checkpoint_across, **both)] == [
        ("to other", "pass", 14),
        ("back from other", "pass", 14),
    ]
    # What was saved is compared with what arrived, what was given with what came back.
    assert [r[1] for r in stored(checkpoint_across, **both | {"own": layer(1)})] == ["fail", "pass"]
    assert [r[1] for r in stored(checkpoint_across, **both | {"given": layer(1)})] == [
        "pass",
        "fail",
    ]
