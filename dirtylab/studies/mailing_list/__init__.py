"""The study of 2016, reproduced: nine runs, seven claims, three defects, the method's flaws.

>>> from dirtylab import mailing_list
>>> study = mailing_list.reproduce(quick=True, progress=False)  # doctest: +SKIP
>>> print(mailing_list.text_report(study))  # doctest: +SKIP

Source: Radim Krčmář's mail to the KVM list of 4 May 2016, "Re: [PATCH 3/6] KVM: Dirty memory
tracking for performant checkpointing and improved live migration".
"""

from dirtylab.studies.mailing_list.report import (
    markdown_experiments,
    markdown_table,
    markdown_verdicts,
    text_report,
    text_table,
)
from dirtylab.studies.mailing_list.rows import Row, posted_rows
from dirtylab.studies.mailing_list.samples_index import SamplesIndex
from dirtylab.studies.mailing_list.store import load, save
from dirtylab.studies.mailing_list.study import Reproduction, Study, reproduce

__all__ = [
    "Reproduction",
    "Row",
    "SamplesIndex",
    "Study",
    "load",
    "markdown_experiments",
    "markdown_table",
    "markdown_verdicts",
    "posted_rows",
    "reproduce",
    "save",
    "text_report",
    "text_table",
]
