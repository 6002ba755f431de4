"""The demo: a call centre whose database has known defects."""

from rollcall.demo.case_builder import ScaleTooSmall
from rollcall.demo.counts import DefectCounts, Scale
from rollcall.demo.generator import load_call_centre
from rollcall.demo.planted import Planted
from rollcall.demo.schema import Variant

__all__ = ["DefectCounts", "Planted", "Scale", "ScaleTooSmall", "Variant", "load_call_centre"]
