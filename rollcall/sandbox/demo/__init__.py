"""The demo: a call centre whose database has known defects."""

from rollcall.sandbox.demo.case_builder import ScaleTooSmall
from rollcall.sandbox.demo.counts import DefectCounts, Scale
from rollcall.sandbox.demo.generator import load_call_centre
from rollcall.sandbox.demo.planted import Planted
from rollcall.sandbox.demo.schema import Variant

__all__ = ["DefectCounts", "Planted", "Scale", "ScaleTooSmall", "Variant", "load_call_centre"]
