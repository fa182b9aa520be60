"""A comparison without power is inconclusive; and what is counted of power over the corpus."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from scipy.stats import kstwo

from harness.backends import load_backend
from harness.build_corpus import RESEEDED
from harness.checks import every_check
from harness.config import Config
from harness.corpus import SAMPLE, load_corpus
from harness.faults.correct import CorrectBackend
from harness.journal import Journal
from harness.judge import Session
from harness.power import VALUES, distributions, headlines
from harness.probes import Probe
from harness.results import Result
from harness.significance import SIGNIFICANCE, smallest_distance
from tests.campaigns import power as campaign
from tests.faulty import right
from tests.power_configs import GRADIENT, PLAIN, VALUED, judged
from tests.synthetic_results import written_header


def test_the_smallest_distance_is_just_noticed() -> None:
    for count in (300, 5000):
        assert SIGNIFICANCE / 2 < kstwo.sf(smallest_distance(count), count) <= SIGNIFICANCE * 1.01


def unseen(session: Session, config: Config) -> int:
    asked = (*VALUES, "gradient")
    return sum(
        value == 0
        for result in session.judge(config)
        if result.check in asked
        for value in result.power.values()
    )


@pytest.mark.parametrize("config_id", RESEEDED)
def test_other_seeds_are_for_configs_that_saw_nothing(config_id: str) -> None:
    config = Config.parse(config_id)
    empty = config.lengths == "emptyrows"  # torch refuses empty rows
    session = Session({"x": CorrectBackend() if empty else load_backend("torch")})
    other = config.replace(seed=RESEEDED[config_id])
    pinned = {*load_corpus(), *load_corpus(SAMPLE)}
    assert other in pinned
    assert config not in pinned
    assert unseen(session, other) < unseen(session, config)
    if config.data != "special" and config.dtype != "bf16":
        # After an infinity nothing is compared from start to end: there is nothing to be seen.
        assert unseen(session, other) == 0


def test_every_probe_is_explained_and_in_the_table_of_checks() -> None:
    session = Session({"torch": load_backend("torch"), "right": CorrectBackend()})
    kinds = {
        (config.aspect, config.num_layers, config.data, config.steps == 1): config
        for config in load_corpus()
        if config.aspect in ("training", "initial", "life") or config.data == "special"
    }
    asked = [
        *VALUED,
        GRADIENT,
        Config.parse("rnn-nobias-sweep-i00001-h00001-b65536-t00001-s000000"),
        *kinds.values(),
    ]
    found: dict[str, set[str]] = {}
    for config in asked:
        for result in session.judge(config):
            found.setdefault(result.check, set()).update(result.power)
    table = {check.name: set(check.probes) for check in every_check()}
    assert {probe for probes in table.values() for probe in probes} == set(Probe)
    for check, probes in found.items():
        assert probes == table[check] or check in ("gradient_padding", "modes"), check


def line(check: str, config: Config = PLAIN, **shares: float) -> Result:
    (some, *_) = judged(right, PLAIN, "transfer")
    shown = {msgspec.convert(name, Probe): share for name, share in shares.items()}
    return msgspec.structs.replace(some, check=check, power=shown, config_id=config.id)


def test_distributions_count_what_has_power_worst_first() -> None:
    shares = [line("step_residual", bias=k / 200) for k in range(200)]
    sizes = [line("dropout_rate", smallest_deviation=k / 10) for k in (1, 2, 4)]
    bias, size = distributions([*sizes, *shares])
    assert (bias.check, bias.comparisons, bias.powered) == ("step_residual", 200, 199)
    assert (bias.least, bias.percent, bias.tenth, bias.median) == (0, 0.01, 0.1, 0.5)
    assert size.probe.is_size
    assert (size.powered, size.least, size.median) == (3, 0.4, 0.2)


def test_headlines_are_of_values_where_the_fault_is_possible() -> None:
    results = [
        line("step_residual", bias=0.5, row=0.0),
        line("forward_error", bias=0.0, row=0.1),
        line("last_state", row=0.0, state=0.0),
    ]
    bias, state, row = headlines(results)[""]
    assert (bias.share, row.share, state.share) == (0.5, 0.5, 1.0)
    of_nan = msgspec.structs.replace(results[0], config_id=Config.of(data="special", steps=3).id)
    assert headlines([of_nan]) == {}
    assert set(headlines(results, lambda config: config.dtype)) == {"fp32"}


@pytest.mark.parametrize(("config", "code"), [(PLAIN, 0), (Config.parse(next(iter(RESEEDED))), 1)])
def test_the_command_exits_1_where_a_figure_is_too_low(
    tmp_path: Path, config: Config, code: int
) -> None:
    results = Session({"torch": load_backend("torch")}).judge(config, origin="corpus")
    written = tmp_path / "results.jsonl"
    with Journal.begin(written, written_header("torch")) as journal:
        journal.append(results)
    done = CliRunner().invoke(campaign.main, ["--results", str(written)])
    assert done.exit_code == code, done.output
    assert "a wrong previous state" in done.output
    assert "b_hh dropped" in done.output
