"""Backends for implementations that this project does not have in view."""
