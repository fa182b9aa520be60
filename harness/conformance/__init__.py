"""The conformance suite, for pytest: `pytest --pyargs harness.conformance`."""
