"""Parameters and files: facts made up by hand."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import evidence_of
from scipy.stats import binom, kstwo

from harness.checks import (
    across,
    dropout_independent,
    dropout_inert,
    dropout_none,
    dropout_rate,
    dropout_states,
    dropout_values,
    fresh_distribution,
    fresh_mode,
    fresh_names,
    fresh_order,
    fresh_seed,
    fresh_side_effects,
    own_file,
)
from harness.comparison import Comparison
from harness.config import Config
from harness.observe import FreshWeights, Stored
from harness.significance import uniform
from reference import Format

SHAPES = {"weight_ih_l0": (2, 3), "weight_hh_l0": (2, 2), "bias_ih_l0": (2,), "bias_hh_l0": (2,)}
FRESH = Config(aspect="fresh", data="plain", input_size=3, hidden_size=2)


def layer(start: float = 0.0, dtype: str = "f") -> dict[str, np.ndarray]:
    return {
        name: (start + np.arange(math.prod(shape))).reshape(shape).astype(dtype)
        for name, shape in SHAPES.items()
    }


def fresh(*layers: Any, seeded: Any = (), advanced: bool = False, config: Config = FRESH) -> Any:
    facts = FreshWeights(layers, seeded, advanced)
    evidence = evidence_of(config, observation=SimpleNamespace(facts=facts))
    evidence.case.x = np.zeros(7, "f")
    return evidence


def said(result: Comparison) -> tuple[Any, ...]:
    return result.part, result.verdict, result.compared, result.message, result.cause, result.ratio


@pytest.mark.parametrize(
    "check",
    [
        *(
            fresh_names.fresh_names,
            fresh_order.fresh_order,
            fresh_distribution.fresh_distribution,
            fresh_seed.fresh_seed,
        ),
        *(
            fresh_side_effects.fresh_side_effects,
            own_file.own_file,
            across.across,
            dropout_inert.dropout_inert,
        ),
        *(
            dropout_none.dropout_none,
            dropout_values.dropout_values,
            dropout_rate.dropout_rate,
            dropout_independent.dropout_independent,
            dropout_states.dropout_states,
        ),
        fresh_mode.fresh_mode,
    ],
)
def test_without_facts_nothing_is_said(check: Any) -> None:
    """Nor where other facts were asked for."""
    for facts in (None, "others"):
        assert list(check(evidence_of(FRESH, observation=SimpleNamespace(facts=facts)))) == []


def test_names_shapes_and_dtypes() -> None:
    (result,) = fresh_names.fresh_names(fresh(layer(), layer()))
    assert said(result) == ("names and shapes", "pass", 8, "", None, 0.0)
    renamed = {name.replace("_l0", "_l1"): array for name, array in layer().items()}
    (result,) = fresh_names.fresh_names(fresh(layer(), renamed))
    message = f"has {dict(zip(renamed, SHAPES.values(), strict=True))}, expected {SHAPES}"
    assert said(result) == ("names and shapes", "fail", 4, message, "unexplained", None)
    wide = layer(dtype="d") | {"bias_hh_l0": np.zeros(2, np.float16)}
    (result,) = fresh_names.fresh_names(fresh(wide))
    message = "dtype float16, float64, expected float32"
    assert said(result) == ("names and shapes", "fail", 4, message, "unexplained", None)


def test_order_of_parameters() -> None:
    (result,) = fresh_order.fresh_order(fresh(layer()))
    assert said(result) == ("order", "pass", 4, "", None, 0.0)
    (result,) = fresh_order.fresh_order(fresh(dict(sorted(layer().items()))))
    message = "parameter 0 is bias_hh_l0, torch's is weight_ih_l0"
    assert said(result) == ("order", "fail", 4, message, "order", None)
    renamed = {name.upper(): array for name, array in layer().items()}
    assert list(fresh_order.fresh_order(fresh(renamed))) == []


def spread(size: int, dtype: str = "f", scale: float = 1.0) -> dict[str, np.ndarray]:
    """A bias of evenly spaced numbers between -1/sqrt(4) and 1/sqrt(4)."""
    return {"bias_ih_l0": (scale * (np.arange(size) + 0.5) / size - scale / 2).astype(dtype)}


def distribution(*layers: Any, dtype: str = "fp32", hidden_size: int = 4) -> list[tuple[Any, ...]]:
    config = Config(aspect="fresh", data="plain", hidden_size=hidden_size, dtype=dtype)
    results = [
        said(result)
        for result in fresh_distribution.fresh_distribution(fresh(*layers, config=config))
    ]
    parts = [result[0] for result in results]
    return results[: parts.index("independence")]


def test_distribution_of_fresh_weights() -> None:
    ((part, verdict, compared, message, cause, ratio),) = distribution(spread(200), spread(101))
    assert (part, verdict, compared, cause) == ("distribution of bias_ih", "pass", 301, None)
    assert message == "p = 1 by the Kolmogorov-Smirnov test"
    assert 0 <= ratio < 0.01
    results = fresh_distribution.fresh_distribution(fresh(spread(200), spread(101)))
    size = next(r for r in results if r.part == "distribution of bias_ih").power
    assert size == {"smallest_distance": pytest.approx(math.sqrt(math.log(2e9) / 602), rel=1e-12)}
    ((part, verdict, compared, message, cause, ratio),) = distribution(spread(299))
    assert (part, verdict, compared) == ("distribution of bias_ih", "inconclusive", 299)
    assert cause is None
    assert message == "299 weights are too few to notice anything at 1e-09"
    assert ratio == pytest.approx(0, abs=0.01)
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


def test_range_of_fresh_weights() -> None:
    """An ulp beyond 1/sqrt(4) may be rounding, two are not; below as above."""
    for sign in (1, -1):
        weights = spread(400)
        weights["bias_ih_l0"][7] = sign * (0.5 + 2.0**-24)
        assert distribution(weights)[0][1] == "pass"
        weights["bias_ih_l0"][7] = sign * (0.5 + 2.0**-23)
        (result,) = distribution(weights)
        message = "1 of 400 beyond 1/sqrt(H) = 0.5"
        assert result == ("range of bias_ih", "fail", 400, message, "unexplained", None)
    # Of 1/sqrt(16) the ulp is half of that.
    for beyond, verdict in ((2.0**-25, "pass"), (2.0**-24, "fail")):
        weights = spread(400, scale=0.5)
        weights["bias_ih_l0"][7] = 0.25 + beyond
        assert distribution(weights, hidden_size=16)[0][1] == verdict
    both = spread(400, scale=3.0) | {"weight_hh_l0": spread(400)["bias_ih_l0"]}
    assert [r[:2] for r in distribution(both)] == [
        ("range of bias_ih", "fail"),
        ("distribution of weight_hh", "pass"),
    ]


def test_rounding_to_few_bits_is_no_other_distribution() -> None:
    """Float16 of 20,000 numbers in 3 binades has ties, which are spread over an ulp each."""
    ((_, verdict, compared, *_),) = distribution(spread(20000, "f2"), dtype="fp16")
    assert (verdict, compared) == ("pass", 20000)
    ((_, verdict, *_),) = distribution(spread(20000, "f2", 0.9), dtype="fp16")
    assert verdict == "fail"


def test_ties_of_rounding_are_spread_over_an_ulp_and_no_further() -> None:
    """65,536 numbers of 4 bits, within 1/sqrt(16): up to 2,048 are equal, and far from uniform."""
    few = Format("few", precision=4, emin=-14, emax=15)
    exact = spread(65536, "d", scale=0.5)["bias_ih_l0"]
    rounded = np.rint(exact / few.ulp(exact)) * few.ulp(exact)
    assert uniform(rounded, -0.25, 0.25).ratio > 1.5

    def ratio() -> float:
        config = Config(aspect="fresh", data="plain", hidden_size=16)
        evidence = fresh({"bias_ih_l0": rounded}, config=config)
        evidence.case.fmt = few
        results = fresh_distribution.fresh_distribution(evidence)
        return next(r.ratio for r in results if r.part == "distribution of bias_ih")

    assert ratio() < 0.5
    assert ratio() == ratio()


def test_no_two_parameters_are_equal() -> None:
    def found(*layers: Any) -> Comparison:
        results = fresh_distribution.fresh_distribution(fresh(*layers))
        return next(result for result in results if result.part == "independence")

    small = {"bias_ih_l0": np.zeros(3, "f"), "weight_ih_l0": np.arange(4.0)}
    message = "parameters too small to tell"
    assert said(found(small)) == ("independence", "inconclusive", 0, message, None, None)
    other = {"bias_ih_l0": np.zeros(3, "f"), "weight_ih_l0": np.arange(1.0, 5)}
    assert said(found(small, other)) == ("independence", "pass", 2, "", None, 0.0)
    longer = {"bias_ih_l0": np.zeros(3, "f"), "bias_ih_l1": np.arange(4.0)}
    assert found(longer, small).verdict == "fail"
    equal = {"weight_hh_l0": np.arange(4.0)}
    message = "two parameters (weight_hh, weight_ih) hold equal numbers"
    result = found(small, equal)
    assert said(result) == ("independence", "fail", 2, message, "unexplained", None)


def test_numbers_that_were_drawn_before() -> None:
    """Of 1,000, each is one of those before it with 1,000 / 2^23 at most: 0.12 do. Nine have less
    than 0.12^9 / 9! = 1.4e-14, five 2e-7. Few bits hold few numbers: of them nothing is said.
    """

    def found(*sizes: int, dtype: str = "fp32") -> Comparison | None:
        layers = [{"weight_hh_l0": np.arange(size) / 1e6} for size in sizes]
        config = dataclasses.replace(FRESH, dtype=dtype)
        results = fresh_distribution.fresh_distribution(fresh(*layers, config=config))
        return next((r for r in results if r.part == "numbers drawn before"), None)

    nine, five, few = found(991, 9), found(995, 5), found(1)
    assert nine is not None
    assert five is not None
    assert few is not None
    chance = 1000 / 2**23
    p = binom.sf(8, 1000, chance)
    assert 1e-15 < p < 1.4e-14
    message = f"9 of 1000 numbers had been drawn before: probability {p:.1e} by chance"
    ratio = pytest.approx(math.log(p) / math.log(1e-9), rel=1e-9)
    assert said(nine)[1:] == ("fail", 1000, message, "unexplained", ratio)
    said_of_five = "5 of 1000 numbers had been drawn before"
    ratio = pytest.approx(math.log(binom.sf(4, 1000, chance)) / math.log(1e-9), rel=1e-9)
    assert said(five)[1:] == ("pass", 1000, said_of_five, None, ratio)
    message = "1 weights are too few to notice anything at 1e-09"
    assert said(few)[1:] == ("inconclusive", 1, message, None, 0)
    assert found(991, 9, dtype="fp16") is None
    assert found(991, 9, dtype="fp64") is not None


def test_seeding() -> None:
    (result,) = fresh_seed.fresh_seed(fresh(seeded=(layer(), layer(), layer(1))))
    assert said(result) == ("seeding", "pass", 14, "", None, 0.0)
    for seeded, message in (
        ((layer(), layer(1), layer(2)), "the same seed gave other weights"),
        ((layer(), layer(), layer()), "another seed gave the same weights"),
    ):
        (result,) = fresh_seed.fresh_seed(fresh(seeded=seeded))
        assert said(result) == ("seeding", "fail", 14, message, "unexplained", math.inf)


def test_side_effects() -> None:
    (result,) = fresh_side_effects.fresh_side_effects(fresh())
    assert said(result) == ("NumPy's generator", "pass", 1, "", None, 0.0)
    (result,) = fresh_side_effects.fresh_side_effects(fresh(advanced=True))
    message = "building a layer draws from NumPy's global generator"
    assert said(result) == ("NumPy's generator", "fail", 1, message, "numpy", None)


def stored(check: Any, **facts: Any) -> list[tuple[Any, ...]]:
    given = {"given": layer(), "own": layer(), "computes": True, **facts}
    evidence = fresh()
    evidence.observation.facts = Stored(**given)
    return [said(result) for result in check(evidence)]


def test_weights_through_a_file_of_ones_own() -> None:
    assert stored(own_file.own_file) == [
        ("own file", "pass", 14, "", None, 0.0),
        ("answers", "pass", 7, "", None, 0.0),
    ]
    moved = layer() | {"bias_hh_l0": np.zeros(2, "f"), "bias_ih_l0": np.zeros(2, "d")}
    message = "bias_ih_l0, bias_hh_l0 changed on the way"
    answers = "answers changed by saving, or by loading"
    assert stored(own_file.own_file, own=moved, computes=False) == [
        ("own file", "fail", 14, message, "unexplained", math.inf),
        ("answers", "fail", 7, answers, "unexplained", math.inf),
    ]
    fewer = {name: array for name, array in layer().items() if name != "bias_hh_l0"}
    (result, _) = stored(own_file.own_file, own=fewer | {"bias": np.zeros(2)})
    assert result[3] == "bias, bias_hh_l0 changed on the way"


@pytest.mark.parametrize(
    "other",
    [np.array([0.0, -0.0], "f"), np.zeros((2, 1), "f"), np.zeros(2, "i4")],
    ids=["sign", "shape", "dtype"],
)
def test_a_file_keeps_signs_of_zero_shapes_and_dtypes(other: np.ndarray) -> None:
    before, after = layer() | {"bias_hh_l0": np.zeros(2, "f")}, layer() | {"bias_hh_l0": other}
    assert stored(own_file.own_file, given=before, own=after)[0][1] == "fail"


def test_weights_there_and_back() -> None:
    message = "no other backend of this run takes these weights through a file"
    nobody = [("peer", "unsupported", 0, message, None, None)]
    assert stored(across.across) == nobody
    assert stored(across.across, peer="other", there=layer()) == nobody
    assert stored(across.across, peer="other", back=layer()) == nobody
    both = {"peer": "other", "there": layer(), "back": layer()}
    assert [r[:3] for r in stored(across.across, **both)] == [
        ("to other", "pass", 14),
        ("back from other", "pass", 14),
    ]
    # What was saved is compared with what arrived, what was given with what came back.
    assert [r[1] for r in stored(across.across, **both | {"own": layer(1)})] == ["fail", "pass"]
    assert [r[1] for r in stored(across.across, **both | {"given": layer(1)})] == [
        "pass",
        "fail",
    ]
