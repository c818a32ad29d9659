"""Counts what bouncers decide and reports it to the Control Core telemetry service."""

from control_core_telemetry_reporter.options import Durability
from control_core_telemetry_reporter.reporter import Reporter
from control_core_telemetry_reporter.statistics import Statistics

__version__ = "0.1.0"

__all__ = ["Durability", "Reporter", "Statistics"]
