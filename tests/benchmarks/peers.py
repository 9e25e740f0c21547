"""mlspec beside its peers, on the same queries in the same run: ``make bench-peers``.

A peer that is not installed is left out, with the command that installs it. A verdict that
contradicts ours ends the run. A peer that gives none, for want of time or memory, counts with the
time limit.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import loads, peers_marabou
from benchmarks.cases import Case, cases
from benchmarks.queries import Answer, End, Query, agree, controlled, decided, ours, queries, warm
from benchmarks.tables import footer, markdown
from mlspec.tensors import single_threaded

PEERS = {"marabou": "maraboupy", "omlt": "omlt"}
"""The peers and their packages."""
INSTALL = "pip install 'mlspec[peers]'"
LOADS = 5
"""How often our model is loaded; the median counts. OMLT's is loaded once."""
Pair = tuple[Case, float, Query, Answer, Answer]
"""A query, the share of the attack radius that it comes from, our answer and a peer's."""
BESIDE_ANSWERS = ("spec", "direction", "share of the attack radius", "competitors")


@dataclass(frozen=True)
class Question:
    """Which queries are asked, and what a tool may use for one."""

    specs: Sequence[str]
    directions: Sequence[str]
    """None: all."""
    shares: Sequence[float]
    """Of the attack radius."""
    most: int
    """Queries of one neighborhood at most, the weakest first."""
    seconds: float
    gigabytes: float
    """Only for Marabou, which runs in a process of its own."""

    def asked(self) -> Iterator[tuple[Case, float, Query]]:
        """Yield the queries with their case and share."""
        for case in cases(self.specs, self.directions):
            warm(case)
            for share in self.shares:
                for query in queries(case, share, self.most):
                    yield case, share, query


def main(peers: Sequence[str], question: Question, loaded: str, rows: int) -> None:
    """Print the tables for some of ``PEERS``.

    The model to be loaded is one of the spec ``loaded`` and has about ``rows`` rows.
    """
    began = time.perf_counter()
    there = {peer for peer in peers if importlib.util.find_spec(PEERS[peer]) is not None}
    with single_threaded():
        for peer in peers:
            if peer not in there:
                print(f"{PEERS[peer]} is not installed: {INSTALL}\n")
            elif peer == "marabou":
                print(ask_marabou(question) + "\n")
            else:
                # OMLT starts variables outside of their bounds, and Pyomo would warn of each.
                logging.getLogger("pyomo").setLevel(logging.ERROR)
                print(f"{load_omlt(loaded, rows)}\n\n{ask_omlt(question)}\n")
    packages = ["mlspec", "torch", "highspy", "pyomo", *(PEERS[peer] for peer in sorted(there))]
    print(f"Limit {question.seconds:g} s. {footer(packages, began)}")


def ask_marabou(question: Question) -> str:
    """Return the table of queries that mlspec and Marabou got."""
    answers = []
    for case, share, query in question.asked():
        own = ours(case, query, question.seconds)

        def ask(each: Query, onnx: bytes = case.onnx) -> Answer:
            return peers_marabou.ask(each, onnx, question.seconds, question.gigabytes)

        peer = ask(query)
        agree(query, {"mlspec": own, "Marabou": peer})
        peer = controlled(case, query, peer, ask)
        answers.append((case, share, query, own, peer))
        _say(answers, "Marabou")
    return compared(answers, "Marabou", question.seconds)


def ask_omlt(question: Question) -> str:
    """Return the table of queries that HiGHS got as our model and as OMLT's, on our bounds."""
    from benchmarks import peers_omlt

    answers = []
    for case, share, query in question.asked():
        own = ours(case, query, question.seconds)
        began = time.perf_counter() - query.bound_seconds
        try:
            model = peers_omlt.compiled(query)
            arrays = loads.by_pyomo(model)
            peer = decided(case, query, model, arrays, question.seconds, began)
        except peers_omlt.InexpressibleError as error:
            peer = Answer(End.NO_MODEL, time.perf_counter() - began, note=str(error))
        agree(query, {"mlspec": own, "OMLT": peer})
        answers.append((case, share, query, own, peer))
        _say(answers, "OMLT")
    return compared(answers, "OMLT", question.seconds)


def load_omlt(name: str, rows: int) -> str:
    """Return the table of loading one query as our model, of about ``rows`` rows, and as OMLT's.

    All layers of the spec ``name`` move, as far as it takes for that size.
    """
    from benchmarks import peers_omlt

    (case,) = cases([name], ["all layers"])
    query = loads.of_size(case, rows)
    own = loads.median_load(query, LOADS)
    peer = loads.loaded(lambda: peers_omlt.compiled(query), loads.by_pyomo)
    table = [
        [tool, *load.cells, times(load.seconds / own.seconds)]
        for tool, load in (("mlspec", own), ("OMLT", peer))
    ]
    heads = ["model of", "rows", "variables", "binaries", "non-zeros"]
    heads += ["Pyomo", "arrays", "into HiGHS", "in all", "of the processor", "ratio"]
    said = f"`{case.name}`, {case.label}, epsilon {query.radius:.4f}; seconds:"
    return f"{said}\n\n{markdown(heads, table)}"


def compared(answers: Sequence[Pair], peer: str, limit: float) -> str:
    """Return the table of ours and a peer's ``answers``, with medians."""
    if not answers:
        return "Bounds decide all of these neighborhoods: there is no query to compare."
    own = [each.counted(limit) for *_, each, _ in answers]
    other = [each.counted(limit) for *_, each in answers]
    ratios = [theirs / mine for mine, theirs in zip(own, other, strict=True)]
    rows = [
        [
            *(f"`{case.name}`", case.label, f"{share:g}", query.competitors),
            *(shown(mine), shown(theirs)),
            compared_times(mine.end, theirs.end, ratio),
        ]
        for (case, share, query, mine, theirs), ratio in zip(answers, ratios, strict=True)
    ]
    decided_by = [sum(each[place].end.decides for each in answers) for place in (3, 4)]
    middle = [f"{median(own):.2f}", f"{median(other):.2f}", times(median(ratios))]
    rows.append(["median", "", "", "", *middle])
    rows.append(["decided", "", "", "", *(f"{n} of {len(answers)}" for n in decided_by), ""])
    return markdown([*BESIDE_ANSWERS, "mlspec", peer, "ratio"], rows, words=4)


def shown(answer: Answer) -> str:
    """Return an answer as a cell."""
    return f"{answer.end.value}, {answer.seconds:.2f}"


def compared_times(mine: End, theirs: End, ratio: float) -> str:
    """Return a ratio as a cell: a bound where one ran into the time limit, in brackets where the
    peer has no answer for another reason and only counts with the limit, none where nobody has."""
    if not mine.decides:
        return f"≤ {times(ratio)}" if theirs.decides else "-"
    if theirs is End.TIMEOUT:
        return f"≥ {times(ratio)}"
    return times(ratio) if theirs.decides else f"({times(ratio)})"


def times(ratio: float) -> str:
    """Return a ratio as a cell."""
    return f"{ratio:.0f} ×" if ratio >= 10.0 else f"{ratio:.1f} ×"


def _say(answers: Sequence[Pair], peer: str) -> None:
    case, share, query, mine, theirs = answers[-1]
    said = f"mlspec {shown(mine)} {mine.note} | {peer} {shown(theirs)} {theirs.note}"
    asked = f"{case.name}, {case.label}, {share:g}, competitors {query.competitors}"
    print(f"{asked}: {said}", file=sys.stderr, flush=True)
