"""Conclusions: what is known now, in numbers by code, and where each is shown."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dirtylab._data import data_file
from dirtylab.advice.machines import PEERS, RecordedMachine, reference
from dirtylab.studies import mailing_list
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.crossovers.report import reasons
from dirtylab.studies.live.experiments import measured
from dirtylab.studies.live.guest_report import guest_lines
from dirtylab.studies.machines.known import programs_line
from dirtylab.studies.machines.report import carried_lines
from dirtylab.studies.peers import native_report


class Conclusion(NamedTuple):
    """What is known of something."""

    subject: str
    sentences: str
    page: str
    """Of the documentation: where it is shown."""

    def __str__(self) -> str:
        return f"**{self.subject}.** {self.sentences} [More]({self.page})"


def conclusions(machines: Sequence[RecordedMachine]) -> Iterator[Conclusion]:
    """Yield what is known, subject by subject.

    Parameters
    ----------
    machines : sequence of RecordedMachine
        The reference machine among them.
    """
    study = crossovers_record.load(reference().folder / "crossovers")
    yield Conclusion("The structures of 2016", _sentences(reasons(study)), "findings.md")
    yield Conclusion("The mail's claims", _claims(), "mailing_list.md")
    yield Conclusion("Real programs", f"For {programs_line()}.", "guests.md")
    first = [one for one in guest_lines(measured().guest) if "first write" in one]
    yield Conclusion("What tracking costs the guest", _sentences(first), "guests.md")
    yield Conclusion("Other machines", _sentences(list(carried_lines(machines))[:3]), "findings.md")
    second = mailing_list.load(data_file("measured/mailing_list")).verdicts[1]
    yield Conclusion("Harvests without a lock", second.measured, "insert_while_harvesting.md")
    yield Conclusion("Structures of hypervisors", _others(), "stories.md")


def _sentences(lines: Iterator[str] | Sequence[str]) -> str:
    return " ".join(f"{line[:1].upper()}{line[1:]}." for line in lines)


def _claims() -> str:
    """Return how many claims of the mail hold."""
    found = [one.verdict for one in mailing_list.load(data_file("measured/mailing_list")).verdicts]
    counts = ", ".join(f"{word}: {found.count(word)}" for word in dict.fromkeys(sorted(found)))
    return f"Of {len(found)} claims, judged by what was measured: {counts}."


def _others() -> str:
    """Return how the best structure of others stands beside the best of ours, plain inserts."""
    samples, _ = native_report.load(reference().folder / PEERS)
    leads = native_report.leads(samples, "plain")
    low, middle, high = leads.min(), leads.median(), leads.max()
    return (
        f"The best of QEMU's, KVM's, rust-vmm's and others takes {middle:.2g} times the time of "
        f"the best of the lab's in the median of {leads.size} cells, {low:.2g} … {high:.2g} times."
    )
