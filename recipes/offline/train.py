"""Train the offline judge's classifier, and examine it.

    python recipes/offline/train.py [--gold GOLD.csv --data FOLDER]

Trains on the scenes and outputs in ``corpus/``, which were written for it, and on each scene's
known answers; writes ``classifier.npz`` into the package. Then prints how well it does: within the
corpus, cross-validated by scene; on the labelled outputs of ``mini``, which it never sees; and on
other labelled outputs, where their file and their data set are given. Needs scikit-learn.

A new classifier is another judge: change its ``REVISION`` and record its verdicts, as
tests/judges/offline/test_revision.py explains.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from jasco.data.csv_files import read_table
from jasco.data.dataset import COLUMNS, read_data_set
from jasco.judges.offline.classifier import ARRAYS, CLASSES, Classifier
from jasco.judges.offline.features import Target, compare
from jasco.judges.offline.vectors import Vectors
from jasco.protocol.clips import Clip
from jasco.protocol.verdicts import Orientation, Verdict

CORPUS = Path(__file__).parent / "corpus"
PACKAGE = Path(__file__).parents[2] / "src" / "jasco"
TRAINED = PACKAGE / "judges" / "offline" / "classifier.npz"
MINI = PACKAGE / "data" / "mini"
# Chosen by cross-validation within the corpus.
STRENGTH = 5.0  # inverse of the penalty on large weights
LINEAR = 0.08  # how much features count beside similarity to examples
EXAMPLES, WIDTH = 2000, 0.01
FOLDS = 10


@dataclass(frozen=True)
class Labelled:
    """An output and its label."""

    clip: Clip
    output: str
    verdict: Verdict
    adversarial: bool = False


def main() -> None:
    """Train, write, examine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=Path, help="labelled outputs")
    parser.add_argument("--data", type=Path, help="their data set")
    options = parser.parse_args()
    vectors = Vectors.load()
    written, known = corpus()
    rows = [*written, *known]
    features = table_of(rows, vectors)
    classifier = fitted(rows, features)
    save(classifier, TRAINED)
    print(
        f"{TRAINED}: {len(classifier.names)} features, "
        f"{len(written)} outputs and {len(known)} known answers"
    )
    examine("corpus, cross-validated by scene", rows, crossed(rows, features), len(written))
    for name, labels, folder in (
        ("mini", MINI / "gold.csv", MINI),
        ("mini, the cascade's own answers", MINI / "gold-cascade.csv", MINI),
        ("gold", options.gold, options.data),
    ):
        if labels:
            clips = {clip.id: clip for clip in read_data_set(folder).clips}
            outputs, answers = labelled(labels, clips), list(known_answers(clips))
            for kind, examined in (("labels", outputs), ("known answers", answers)):
                verdicts = predicted(classifier, table_of(examined, vectors))
                examine(f"{name}, {kind}", examined, verdicts, len(examined))


def corpus() -> tuple[list[Labelled], list[Labelled]]:
    """Read the corpus: what was written for its scenes, and their known answers."""
    written, known = [], []
    for path in sorted(CORPUS.glob("*-scenes.csv")):
        rows = read_table(path, required=COLUMNS).rows
        clips = {row["audio_id"]: Clip(*(row[column] for column in COLUMNS)) for row in rows}
        written += labelled(path.with_name(path.name.replace("scenes", "outputs")), clips)
        known += known_answers(clips)
    return written, known


def labelled(path: Path, clips: dict[str, Clip]) -> list[Labelled]:
    """Read labelled outputs."""
    return [
        Labelled(
            clips[row["id"]],
            row["allm_output"],
            Verdict(int(row["rating"]), Orientation(row["orientation"])),
            row["adversarial"] == "1",
        )
        for row in read_table(path).rows
    ]


def known_answers(clips: dict[str, Clip]) -> Iterator[Labelled]:
    """Return rows with known verdicts: a clip's own answers, and a plain description of it."""
    for clip in clips.values():
        described = f'The audio contains {clip.sound}. The speaker says "{clip.speech}"'
        yield Labelled(clip, clip.reference, Verdict(2, Orientation.BOTH))
        yield Labelled(clip, clip.audio_only, Verdict(0, Orientation.AUDIO))
        yield Labelled(clip, clip.speech_only, Verdict(0, Orientation.SPEECH))
        yield Labelled(clip, described, Verdict(0, Orientation.NEITHER))


def table_of(rows: Sequence[Labelled], vectors: Vectors) -> list[dict[str, float]]:
    """Compute the features of each row."""
    targets = {row.clip: Target.of(row.clip, vectors) for row in rows}
    return [compare(row.output, targets[row.clip], vectors) for row in rows]


def fitted(rows: Sequence[Labelled], features: Sequence[dict[str, float]]) -> Classifier:
    """Fit the classifier: features and similarity to examples (Nystroem) in one regression."""
    values = np.array([list(row.values()) for row in features])
    scaler = StandardScaler().fit(values)
    scaled = scaler.transform(values)
    kernel = Nystroem(gamma=WIDTH, n_components=EXAMPLES, random_state=0).fit(scaled)
    regression = LogisticRegression(C=STRENGTH, max_iter=5_000)
    regression.fit(
        np.hstack([LINEAR * scaled, kernel.transform(scaled)]),
        [class_of(row.verdict) for row in rows],
    )
    weights, example_weights = np.split(regression.coef_, [values.shape[1]], axis=1)
    return Classifier(
        names=tuple(features[0]),
        centre=scaler.mean_.astype(np.float32),
        scale=scaler.scale_.astype(np.float32),
        weights=(LINEAR * weights).astype(np.float32),
        offsets=regression.intercept_.astype(np.float32),
        examples=kernel.components_.astype(np.float16),
        width=WIDTH,
        example_weights=(example_weights @ kernel.normalization_).astype(np.float32),
        trained_on=frozenset(row.clip.sha256[:12] for row in rows),
    )


def save(classifier: Classifier, path: Path) -> None:
    """Write a classifier as :meth:`Classifier.load` reads it."""

    def as_bytes(lines: Iterable[str]) -> NDArray[np.uint8]:
        return np.frombuffer("\n".join(lines).encode(), np.uint8)

    np.savez_compressed(
        path,
        names=as_bytes(classifier.names),
        trained_on=as_bytes(sorted(classifier.trained_on)),
        width=np.float32(classifier.width),
        **{name: getattr(classifier, name) for name in ARRAYS},
    )


def class_of(verdict: Verdict) -> int:
    """Number a verdict's class. The rating of what is not Both does not count, and is 0 there."""
    both = verdict.orientation is Orientation.BOTH
    return CLASSES.index(verdict if both else Verdict(0, verdict.orientation))


def predicted(classifier: Classifier, features: Sequence[dict[str, float]]) -> list[Verdict]:
    """Return the classifier's verdicts."""
    return [classifier.verdict(row)[0] for row in features]


def crossed(rows: Sequence[Labelled], features: Sequence[dict[str, float]]) -> list[Verdict]:
    """Return verdicts on each scene by a classifier that was trained on others."""
    verdicts: dict[int, Verdict] = {}
    scenes = [row.clip.id for row in rows]
    for training, held_out in GroupKFold(FOLDS).split(rows, groups=scenes):
        classifier = fitted([rows[i] for i in training], [features[i] for i in training])
        verdicts.update({i: classifier.verdict(features[i])[0] for i in held_out})
    return [verdicts[i] for i in range(len(rows))]


def gated(verdicts: Sequence[Verdict]) -> NDArray[np.int64]:
    """Return the gated scores."""
    return np.array([verdict.gated for verdict in verdicts])


def examine(name: str, rows: Sequence[Labelled], verdicts: Sequence[Verdict], first: int) -> None:
    """Print how verdicts agree with the labels of the first rows."""
    rows, verdicts = rows[:first], verdicts[:first]
    labels = [row.verdict for row in rows]
    right = np.mean([a.orientation is b.orientation for a, b in zip(labels, verdicts, strict=True)])
    scores, gold = gated(verdicts), gated(labels)
    kappa = cohen_kappa_score(gold, scores, weights="quadratic", labels=[0, 1, 2])
    adversarial = np.array([row.adversarial for row in rows])
    credited = int(((scores > gold) & adversarial).sum())
    print(
        f"{name}: {len(rows)} rows, orientation {right:.3f}, "
        f"gated score {np.mean(scores == gold):.3f}, weighted kappa {kappa:.3f}, "
        f"{credited} of {adversarial.sum()} adversarial rows credited"
    )


if __name__ == "__main__":
    main()
