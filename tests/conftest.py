"""Profiles: `dev` draws anew every time, `ci` the same every time, `mutation` the same few."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "dev", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
settings.register_profile("mutation", settings.get_profile("ci"), max_examples=15)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What shares its results stays in one process where several share out the tests."""
    if hasattr(config, "workerinput"):  # in a process of xdist
        for item in items:
            if item.path.name == "test_conformance.py":
                item.add_marker(pytest.mark.xdist_group("conformance"))
