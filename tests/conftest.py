"""Profiles: `dev` draws anew every time, `ci` the same every time, `mutation` the same few."""

from __future__ import annotations

import functools
import os

import pytest
from hypothesis import HealthCheck, settings

from harness.config import Config

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in workers; before torch is imported

settings.register_profile(
    "dev", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
settings.register_profile("mutation", settings.get_profile("ci"), max_examples=15)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before `-k` selects: tests of a config can be selected by the words of all its fields.

    And what shares its results stays in one process where several share out the tests.
    """
    for item in items:
        if item.path.name == "test_conformance.py":
            callspec = getattr(item, "callspec", None)
            if callspec is not None and "config_id" in callspec.params:
                item.extra_keyword_matches.update(words_of(callspec.params["config_id"]))
            if hasattr(config, "workerinput"):  # in a process of xdist
                item.add_marker(pytest.mark.xdist_group("conformance"))


@functools.cache
def words_of(config_id: str) -> frozenset[str]:
    """Of all fields of a config, also those that its id leaves out as defaults."""
    return frozenset(word for word, _ in Config.parse(config_id).words.values())
