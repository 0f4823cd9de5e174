"""The report: what the tables of a run told, as one HTML page for people who would rather look than read."""

from winnow.reporting.contents import Alarm, Contents, Media, Rows, User
from winnow.reporting.page import page
from winnow.reporting.settings import ReportingSettings

__all__ = ["Alarm", "Contents", "Media", "ReportingSettings", "Rows", "User", "page"]
