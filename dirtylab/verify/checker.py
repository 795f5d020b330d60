"""Exhaustive checker: every schedule of a few inserts and harvests, atomic step by atomic step.

A *program* is a generator: it yields one :class:`Step` after the other, gets each one's result, and
reports frames with :class:`Report`.  Between two steps any other thread may run; a schedule is one
order of all steps.  There are millions; but the future depends only on memory, on each thread's
position and on the inserts not yet reported, so schedules that reach the same such state are
counted together, exactly.

How an insert ends::

    right       the first report of its frame after the page was written is in a harvest that did
                not begin later than it had to
    duplicate   and a harvest reported the page again though nothing new had been written
    late        missed by a harvest that began after the insert had returned, found by a later one
    lost        missed by every harvest, the last of which begins after all inserts have returned

An insert begins with the write of its page.  A report counts for every write that came before it,
whoever marked the page, for the page is read afterwards.  Reports take effect in the step that
takes the bit, harvests begin with their first step and inserts return with their last: each time
the strictest choice.

Steps are sequentially consistent.  A weaker memory order is modelled by a program that does the
steps in an order that the processor may choose: :class:`AnyOrder`, or a load moved forward.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dirtylab import _check
from dirtylab.verify.program import (
    DUPLICATE,
    LATE,
    LOST,
    OUTCOMES,
    RIGHT,
    AnyOrder,
    Protocol,
    Report,
    Step,
)


class Move(NamedTuple):
    """One step of a schedule, in words."""

    thread: str
    what: str
    before: str
    after: str
    note: str


class Account(NamedTuple):
    """The progress of each insert, as bit sets.

    `told` has the frames that this harvest has reported, as bits; `again` says whether a harvest
    reported a frame though nothing new had been written to it.
    """

    written: int = 0
    returned: int = 0
    covered: int = 0
    owed: int = 0
    missed: int = 0
    told: int = 0
    again: bool = False


class Local(NamedTuple):
    """A thread's position: its call, its carried state, the results of this call's steps."""

    call: int = 0
    carried: Any = None
    results: tuple[Any, ...] = ()
    partial: int = 0
    """Which steps of an :class:`AnyOrder` are done."""


class State(NamedTuple):
    """Everything on which the rest of a schedule depends."""

    memory: tuple[int, ...]
    threads: tuple[Local, ...]
    account: Account


class Next(NamedTuple):
    """What a thread does when it runs: `step`, or nothing more in this call."""

    reports: tuple[int, ...]
    step: Step | AnyOrder | None
    carried: Any


class Checker:
    """All schedules of one case.

    Parameters
    ----------
    protocol : Protocol
        How to insert and harvest.
    vcpus : sequence of sequences of int
        For each vCPU the frames it inserts, one after the other.
    harvests : int, optional
        Harvests that run while the vCPUs do; one more follows when all inserts have returned.

    Raises
    ------
    ValueError, TypeError
        No vCPU, or `harvests` is no number.

    Notes
    -----
    Cost: time and memory grow with the states: some thousand for two inserts, some hundred thousand
    for three on three levels; 20 µs and 1 KiB each.
    """

    def __init__(
        self, protocol: Protocol, vcpus: Sequence[Sequence[int]], *, harvests: int = 2
    ) -> None:
        _check.integer("harvests", harvests, 0)
        if not vcpus:
            raise ValueError("vcpus=[]: must name the frames of one vCPU or more")
        self.protocol = protocol
        self.vcpus = tuple(tuple(frames) for frames in vcpus)
        self.harvests = harvests
        self._frames = [frame for frames in self.vcpus for frame in frames]
        self._first = [sum(map(len, self.vcpus[:vcpu])) for vcpu in range(len(self.vcpus))]
        self._places = {name: index for index, name in enumerate(protocol.places)}
        self._harvester = len(self.vcpus)
        self._nexts: dict[tuple[int, int, Any, tuple[Any, ...]], Next] = {}
        self._counts: dict[State, dict[str, int]] = {}

    # --- questions

    def count(self) -> dict[str, int]:
        """Return how many schedules end in each outcome, by their worst insert."""
        found = self._count(self._begin())
        return {outcome: found.get(outcome, 0) for outcome in OUTCOMES}

    @property
    def states(self) -> int:
        """How many states have been visited."""
        return len(self._counts)

    def witness(self, outcome: str) -> list[Move] | None:
        """Return a schedule with that outcome and as few switches as any, or None.

        Parameters
        ----------
        outcome : {"right", "duplicate", "late", "lost"}
            What to find.
        """
        _check.choice("outcome", outcome, OUTCOMES)
        if not self.count()[outcome]:
            return None
        best: dict[tuple[State, int], tuple[int, int]] = {}
        state, last = self._begin(), -1
        moves = []
        while any(True for _ in self._moves(state)):
            _, chosen = self._fewest(state, last, outcome, best)
            thread, after = list(self._moves(state))[chosen]
            moves.append(self._move(state, thread, chosen))
            state, last = after, thread
        return moves

    # --- the machine

    def _begin(self) -> State:
        threads = (Local(),) * (len(self.vcpus) + 1)
        return State((0,) * len(self._places), threads, Account())

    def _calls(self, thread: int) -> int:
        return self.harvests + 1 if thread == self._harvester else len(self.vcpus[thread])

    def _next(self, thread: int, local: Local) -> Next:
        """Return the next action, by rerunning the program with the results so far."""
        key = (thread, local.call, local.carried, local.results)
        if key not in self._nexts:
            self._nexts[key] = self._run(thread, local)
        return self._nexts[key]

    def _run(self, thread: int, local: Local) -> Next:
        if thread == self._harvester:
            program = self.protocol.harvest(local.carried)
        else:
            frame = self.vcpus[thread][local.call]
            program = self.protocol.insert(thread, frame, local.carried)
        reports: tuple[int, ...] = ()
        try:
            given = next(program)
            for result in local.results:
                reports = ()
                given = program.send(result)
                while isinstance(given, Report):
                    reports += given.frames
                    given = next(program)
            assert not isinstance(given, Report)
            return Next(reports, given, None)
        except StopIteration as end:
            return Next(reports, None, end.value)

    def _moves(self, state: State) -> Iterator[tuple[int, State]]:
        """Yield each step that can be done now: which thread's, and the state after it."""
        vcpus_done = all(
            state.threads[vcpu].call == self._calls(vcpu) for vcpu in range(self._harvester)
        )
        for thread, local in enumerate(state.threads):
            if local.call == self._calls(thread):
                continue
            last = thread == self._harvester and local.call == self.harvests
            if last and not vcpus_done:
                continue
            yield from ((thread, after) for after in self._after(state, thread))

    def _after(self, state: State, thread: int) -> Iterator[State]:
        local = state.threads[thread]
        step = self._next(thread, local).step
        account = state.account
        if thread == self._harvester and not local.results and not local.partial:
            account = account._replace(owed=account.returned & ~account.covered)
        if isinstance(step, AnyOrder):
            everything = (1 << len(step.steps)) - 1
            for index, one in enumerate(step.steps):
                if local.partial >> index & 1:
                    continue
                memory, _ = self._do(one, state.memory)
                done = local.partial | 1 << index
                if done == everything:
                    yield self._settle(state, thread, memory, local, None, account)
                else:
                    moved = local._replace(partial=done)
                    yield State(memory, _replaced(state.threads, thread, moved), account)
            return
        assert step is not None
        memory, result = self._do(step, state.memory)
        if step.action == "write":
            account = account._replace(written=account.written | self._bit(thread, local))
        yield self._settle(state, thread, memory, local, result, account)

    def _settle(
        self, state: State, thread: int, memory: tuple[int, ...], local: Local, result: Any,
        account: Account,
    ) -> State:  # fmt: skip
        """Go on to the next step: report, and return or end when there is none."""
        local = local._replace(results=(*local.results, result), partial=0)
        following = self._next(thread, local)
        if following.reports:
            account = self._reported(account, following.reports)
        if following.step is None:
            if thread == self._harvester:
                missed = account.missed | account.owed & ~account.covered
                account = account._replace(missed=missed, owed=0, told=0)
            else:
                account = account._replace(returned=account.returned | self._bit(thread, local))
            local = Local(local.call + 1, following.carried)
        return State(memory, _replaced(state.threads, thread, local), account)

    def _bit(self, thread: int, local: Local) -> int:
        return 1 << (self._first[thread] + local.call)

    def _reported(self, account: Account, frames: tuple[int, ...]) -> Account:
        covered, told, again = account.covered, account.told, account.again
        for frame in frames:
            meant = sum(1 << i for i, one in enumerate(self._frames) if one == frame)
            new = meant & account.written & ~covered
            again = again or not (new or told >> frame & 1)
            covered |= new
            told |= 1 << frame
        return account._replace(covered=covered, told=told, again=again)

    def _do(self, step: Step, memory: tuple[int, ...]) -> tuple[tuple[int, ...], Any]:
        """Do one step; return memory and what was there before."""
        if step.action == "write":
            return memory, None
        index = self._places[step.place]
        old = memory[index]
        new = {
            "or": old | step.value,
            "and": old & step.value,
            "exchange": step.value,
            "store": step.value,
            "add": old + step.value,
            "load": old,
        }[step.action]
        if new != old:
            memory = (*memory[:index], new, *memory[index + 1 :])
        if not step.wanted:
            return memory, None
        if step.action == "load" and step.value:  # a look at some bits
            return memory, bool(old & step.value)
        return memory, old

    # --- counting

    def _outcome(self, account: Account) -> str:
        if account.written & ~account.covered:
            return LOST
        if account.missed:
            return LATE
        return DUPLICATE if account.again else RIGHT

    def _count(self, state: State) -> dict[str, int]:
        found = self._counts.get(state)
        if found is None:
            total: Counter[str] = Counter()
            for _, after in self._moves(state):
                total.update(self._count(after))
            found = dict(total) or {self._outcome(state.account): 1}
            self._counts[state] = found
        return found

    def _fewest(
        self, state: State, last: int, outcome: str, best: dict[tuple[State, int], tuple[int, int]]
    ) -> tuple[int, int]:
        """Return the fewest switches to the end with that outcome, and the move to begin with."""
        key = (state, last)
        if key in best:
            return best[key]
        found: list[tuple[int, int]] = []
        moves = list(self._moves(state))
        for index, (thread, after) in enumerate(moves):
            if self._count(after).get(outcome):
                more, _ = self._fewest(after, thread, outcome, best)
                found.append((more + (thread != last), index))
        best[key] = min(found, default=(0, -1))
        return best[key]

    # --- telling

    def _move(self, state: State, thread: int, chosen: int) -> Move:
        """Describe move number `chosen` of a state."""
        local = state.threads[thread]
        moves = list(self._moves(state))
        after = moves[chosen][1]
        step = self._next(thread, local).step
        if isinstance(step, AnyOrder):
            mine = [index for index, (mover, _) in enumerate(moves) if mover == thread]
            left = [i for i in range(len(step.steps)) if not local.partial >> i & 1]
            step = step.steps[left[mine.index(chosen)]]
        assert step is not None
        name = self._thread_name(thread, local)
        if step.action == "write":
            frame = self.vcpus[thread][local.call]
            return Move(name, f"write page {frame}", "", "", self._note(state, after, thread))
        index = self._places[step.place]
        width = max(2, max(state.memory[index], after.memory[index]).bit_length())
        before, now = (f"{one.memory[index]:0{width}b}"[::-1] for one in (state, after))
        return Move(name, _words(step, width), before, now, self._note(state, after, thread))

    def _thread_name(self, thread: int, local: Local) -> str:
        return f"harvest {local.call + 1}" if thread == self._harvester else f"vCPU {thread}"

    def _note(self, before: State, after: State, thread: int) -> str:
        """Describe a step's effects other than on memory."""
        old, new = before.account, after.account
        notes = []
        for insert, frame in enumerate(self._frames):
            if (new.covered & ~old.covered) >> insert & 1:
                notes.append(f"reports page {frame}")
            if (new.missed & ~old.missed) >> insert & 1:
                notes.append(f"ends without page {frame}")
        if new.again and not old.again:
            notes.append("reports a page again")
        if new.returned != old.returned:
            notes.append("insert returns")
        ended = thread == self._harvester and (
            after.threads[thread].call != before.threads[thread].call
        )
        if ended and not any(note.startswith("ends") for note in notes):
            notes.append("ends")
        return "; ".join(dict.fromkeys(notes))


def _replaced(threads: tuple[Local, ...], thread: int, local: Local) -> tuple[Local, ...]:
    return (*threads[:thread], local, *threads[thread + 1 :])


def _words(step: Step, width: int) -> str:
    bits = f"{step.value:0{width}b}"[::-1]
    return {
        "or": f"or {bits} into {step.place}",
        "and": f"and {step.place} with {bits if step.value >= 0 else f'not {~step.value:b}'}",
        "exchange": f"exchange {step.place} for {bits}",
        "add": f"add {step.value} to {step.place}",
        "load": f"look at {step.place}",
        "store": f"store {bits} in {step.place}",
    }[step.action]
