"""In which order configs are asked, and of whom."""

from __future__ import annotations

from harness.config import Config
from harness.pipeline import Task, merged


def tasks(backends: tuple[str, ...], *steps: int) -> list[Task]:
    return [Task(Config.of(steps=one), backends) for one in steps]


def test_few_tasks_are_spread_among_many() -> None:
    found = merged(tasks(("fast",), 1, 2, 3, 4), tasks(("slow",), 11, 12))
    assert [one.config.steps for one in found] == [1, 2, 11, 3, 4, 12]


def test_a_config_of_both_is_asked_once_of_the_backends_of_both() -> None:
    found = merged(tasks(("fast",), 1, 2), tasks(("slow",), 2, 3))
    assert {one.config.steps: one.backends for one in found} == {
        1: ("fast",),
        2: ("fast", "slow"),
        3: ("slow",),
    }


def test_there_may_be_none_of_either() -> None:
    assert merged([], tasks(("slow",), 1)) == tasks(("slow",), 1)
    assert merged(tasks(("fast",), 1), []) == tasks(("fast",), 1)
