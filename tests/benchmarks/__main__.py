"""``python -m benchmarks NAME``, such as ``stages`` or ``peers``: see ``--help`` of each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks import labels, neighbours, peers, radius, stages, strategies
from benchmarks.cases import CLASSIFIERS, SPECS


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one benchmark and print its tables as Markdown."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    chosen = parser.add_subparsers(dest="benchmark", required=True)
    _stages(chosen.add_parser("stages", help="seconds of every stage"))
    _radius(chosen.add_parser("radius", help="how near the attack comes to the exact radius"))
    _neighbours(chosen.add_parser("neighbours", help="queries after others, and from nothing"))
    _peers(chosen.add_parser("peers", help="the same queries to mlspec, Marabou and OMLT"))
    _strategies(chosen.add_parser("strategies", help="the search strategies side by side"))
    _labels(chosen.add_parser("labels", help="how soon all labels of an image are decided"))
    given = parser.parse_args(arguments)
    given.run(given)


def _stages(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--specs", nargs="+", default=SPECS)
    parser.add_argument("--directions", nargs="+", default=())
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of one decision")
    parser.add_argument("--others", nargs="*", default=(), help="solvers to compare, as highs-mip")
    parser.set_defaults(
        run=lambda given: stages.main(given.specs, given.directions, given.seconds, given.others)
    )


def _radius(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--specs", nargs="+", default=SPECS)
    parser.add_argument("--directions", nargs="+", default=())
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of one decision")
    parser.set_defaults(run=lambda given: radius.main(given.specs, given.directions, given.seconds))


def _neighbours(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--specs", nargs="+", default=CLASSIFIERS)
    parser.add_argument("--directions", nargs="+", default=("object only", "decaying"))
    parser.add_argument("--seconds", type=float, default=20.0, help="limit of a query, as work")
    parser.set_defaults(
        run=lambda given: neighbours.main(given.specs, given.directions, given.seconds)
    )


def _peers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--peers", nargs="+", default=tuple(peers.PEERS), choices=peers.PEERS)
    parser.add_argument("--specs", nargs="+", default=CLASSIFIERS)
    parser.add_argument("--directions", nargs="+", default=())
    parser.add_argument("--shares", nargs="+", type=float, default=(0.8, 0.9))
    parser.add_argument("--most", type=int, default=1, help="queries of one neighborhood")
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of one query")
    parser.add_argument("--gigabytes", type=float, default=8.0, help="limit of Marabou's process")
    parser.add_argument("--loaded", default="l0_img3", help="spec of the model to be loaded")
    parser.add_argument("--rows", type=int, default=9000, help="size of the model to be loaded")
    parser.set_defaults(run=_compare)


def _compare(given: argparse.Namespace) -> None:
    question = peers.Question(
        given.specs, given.directions, given.shares, given.most, given.seconds, given.gigabytes
    )
    peers.main(given.peers, question, given.loaded, given.rows)


def _strategies(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--specs", nargs="+", default=("small", "pgd_img3"))
    parser.add_argument("--variants", nargs="+", default=(), choices=tuple(strategies.VARIANTS))
    parser.add_argument("--seconds", type=float, default=20.0, help="budget of one search")
    parser.add_argument("--set", nargs="+", default=(), metavar="a.b=v", help="change every spec")
    parser.set_defaults(
        run=lambda given: strategies.main(given.specs, given.variants, given.seconds, given.set)
    )


def _labels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--specs", nargs="+", default=CLASSIFIERS)
    parser.add_argument("--epsilons", nargs="+", type=float, default=(0.001,))
    parser.add_argument("--images", type=int, default=20, help="of the test split, the first ones")
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of one image")
    parser.set_defaults(
        run=lambda given: labels.main(given.specs, given.epsilons, given.images, given.seconds)
    )


if __name__ == "__main__":
    main()
