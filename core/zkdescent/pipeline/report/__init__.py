"""`zkdescent report`: one page on a run, from what the project stored, verified when it is made.

>>> from zkdescent.pipeline.report import write_report  # doctest: +SKIP
>>> write_report(load_project(Path("demo")), Reporter()).path.name  # doctest: +SKIP
'report.html'
"""

from zkdescent.pipeline.report.gathering import gather
from zkdescent.pipeline.report.model import ReportData, Verdict
from zkdescent.pipeline.report.rendering import render_report
from zkdescent.pipeline.report.writing import WrittenReport, write_report

__all__ = ["ReportData", "Verdict", "WrittenReport", "gather", "render_report", "write_report"]
