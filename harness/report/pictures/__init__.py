"""The pictures of a report: error maps, ratios against the bound, activations side by side."""

from harness.report.attempts import Picture
from harness.report.pictures.activations import activation_picture
from harness.report.pictures.error_map import map_picture
from harness.report.pictures.ratios import ratio_picture

__all__ = ["Picture", "activation_picture", "map_picture", "ratio_picture"]
