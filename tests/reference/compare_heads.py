"""Our heads beside scikit-learn's, on the same photos by the same splits.

    lastlayer eval site.llp --photos photos/ --shots 1,2,5,10,20,50 --dump-splits splits.json
    python compare_heads.py splits.json --least -0.3 --ahead 20:2.5,50:2.5 --ahead-of-nearest 10:7

Prints mean accuracies in % and differences in points, a column a number of photos a class. The exit
code is 1 where a bar is missed, and where scikit-learn's three nearest neighbours are right about other
photos than ours: then the file is not what was measured.

scikit-learn sees the last embedding only, scaled to length 6 (its penalties depend on it); its linear
discriminants need two photos a class. The best of its heads is chosen at each number of photos, with
hindsight.
"""

import argparse
import json
import sys
import warnings

import numpy as np
import sklearn
from joblib import Parallel, delayed
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

LENGTH = 6.0
NEIGHBOURS = 3
NEAREST = "KNeighborsClassifier"
# What `lastlayer eval` calls the same.
OUR_NEAREST = "3-nearest"


def first_among_equals(distances):
    """Between classes of as many votes the nearest neighbour decides, as it does in ours."""
    votes = np.ones_like(distances)
    votes[:, 0] += 1e-3
    return votes


def heads(shots, taught):
    neighbours = min(NEIGHBOURS, taught)
    yield NEAREST, KNeighborsClassifier(neighbours, weights=first_among_equals, algorithm="brute")
    for c in (0.1, 1, 10):
        yield f"LogisticRegression C={c}", LogisticRegression(C=c, max_iter=10_000)
    if shots > 1:
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        yield "LinearDiscriminantAnalysis", lda


def accuracies(embeddings, labels, shots, taught):
    """In % on all photos that are not taught, by head."""
    tested = np.setdiff1d(np.arange(len(labels)), taught)
    reached = {}
    with warnings.catch_warnings():
        # One that has not converged is not what it could be.
        warnings.simplefilter("error", ConvergenceWarning)
        for name, head in heads(shots, len(taught)):
            head.fit(embeddings[taught], labels[taught])
            reached[name] = 100 * head.score(embeddings[tested], labels[tested])
    return reached


def theirs(dump, jobs):
    """By photos a class, then by head: accuracies in %, one a split."""
    labels = np.array(dump["labels"])
    embeddings = np.array(dump["embeddings"], np.float32)[:, : dump["layout"]["last"]]
    embeddings = embeddings.astype(np.float64)
    embeddings *= LENGTH / np.linalg.norm(embeddings, axis=1, keepdims=True)
    work = [(round["shots"], taught) for round in dump["rounds"] for taught in round["taught"]]
    reached = Parallel(n_jobs=jobs)(
        delayed(accuracies)(embeddings, labels, shots, np.array(taught)) for shots, taught in work
    )
    gathered = {}
    for (shots, _), split in zip(work, reached):
        for name, accuracy in split.items():
            gathered.setdefault(shots, {}).setdefault(name, []).append(accuracy)
    return gathered


def ours(dump):
    return {
        round["shots"]: {row["head"]: 100 * np.array(row["accuracies"]) for row in round["heads"]}
        for round in dump["rounds"]
    }


def disagreements(dump, theirs, ours):
    """Lines on numbers of photos at which the nearest neighbours are not those of `eval`."""
    for round in dump["rounds"]:
        shots = round["shots"]
        tested = len(dump["labels"]) - len(round["taught"][0])
        apart = np.abs(ours[shots][OUR_NEAREST] - theirs[shots][NEAREST]).max() * tested / 100
        # Equally near neighbours of other classes may come in another order.
        if apart > max(1.5, tested / 100):
            yield (
                f"with {shots} photos a class the nearest neighbours are right about "
                f"{apart:.0f} photos more or fewer here: the file is not what was measured"
            )


def bars(text):
    """`20:2.5,50:2.5`: points by photos a class."""
    pairs = (pair.split(":") for pair in text.split(","))
    return {int(shots): float(points) for shots, points in pairs}


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("file", help="of lastlayer eval --dump-splits")
    add("--least", type=float, metavar="POINTS",
        help="how far the default must be ahead of scikit-learn's best at every number of photos")
    add("--ahead", type=bars, default={}, metavar="SHOTS:POINTS,...",
        help="the same at some numbers of photos a class")
    add("--ahead-of-nearest", type=bars, default={}, metavar="SHOTS:POINTS,...",
        help="how far it must be ahead of the three nearest neighbours")
    add("--jobs", type=int, default=-1, help="processes; by default one a core")
    given = parser.parse_args()
    with open(given.file, encoding="utf-8") as file:
        dump = json.load(file)
    if dump.get("version") != 1:
        parser.error(f"{given.file} is of version {dump.get('version')}, and 1 is read here")
    there = {round["shots"] for round in dump["rounds"]}
    for shots in sorted({*given.ahead, *given.ahead_of_nearest} - there):
        parser.error(f"{given.file} has no splits of {shots} photos a class")
    return given, dump


def main():
    given, dump = arguments()
    sklearns, own = theirs(dump, given.jobs), ours(dump)
    counts = list(own)

    def means(heads, name):
        return {shots: np.mean(heads[shots][name]) for shots in counts if name in heads[shots]}

    def best_of(heads):
        return max(np.mean(values) for name, values in heads.items() if name != NEAREST)

    default, nearest = means(own, dump["default"]), means(sklearns, NEAREST)
    best = {shots: best_of(sklearns[shots]) for shots in counts}
    over_best = {shots: default[shots] - best[shots] for shots in counts}
    over_nearest = {shots: default[shots] - nearest[shots] for shots in counts}

    def show(name, values, form="{:.1f}"):
        cells = [form.format(values[shots]) if shots in values else "-" for shots in counts]
        print(f"{name:<28}" + "".join(f"{cell:>8}" for cell in cells))

    print(
        f"{dump['package']}: {len(dump['labels'])} photos of {len(dump['classes'])} classes, "
        f"{len(dump['rounds'][0]['taught'])} splits, seed {dump['seed']}; accuracy on the photos "
        f"not taught, in %\n"
    )
    show("photos a class", {shots: shots for shots in counts}, "{}")
    for name in dict.fromkeys(name for shots in counts for name in sklearns[shots]):
        show(name, means(sklearns, name))
    show(f"best of scikit-learn {sklearn.__version__}", best)
    print()
    for name in own[counts[0]]:
        mark = " (default)" if name == dump["default"] else ""
        show(name + mark, means(own, name))
    print()
    show("default - best", over_best, "{:+.1f}")
    show("default - 3-nearest", over_nearest, "{:+.1f}")

    wrong = list(disagreements(dump, sklearns, own))
    everywhere = {} if given.least is None else dict.fromkeys(counts, given.least)
    for asked, reached, whom in (
        (everywhere, over_best, "scikit-learn's best"),
        (given.ahead, over_best, "scikit-learn's best"),
        (given.ahead_of_nearest, over_nearest, "the three nearest neighbours"),
    ):
        wrong += [
            f"missed: with {shots} photos a class the default is {reached[shots]:+.2f} points "
            f"ahead of {whom}, {points:+.2f} are asked"
            for shots, points in asked.items()
            if reached[shots] < points - 1e-9
        ]
    for line in wrong:
        print(line)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
