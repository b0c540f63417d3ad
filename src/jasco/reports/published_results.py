"""The results that were published, to hold a figure against.

Wang, Mousavi, Ploujnikov, Ravanelli: *What Are They Doing? Joint Audio-Speech Co-Reasoning*. ``v1``
is the first version of the paper (arXiv 2409.14526v1, one judge), ``v2`` the page of the data set
(three judges). On the 80 clips of the published data set.
"""

from typing import Any

_COLUMNS = ("protocol", "model", "best_mean", "audio", "both", "speech")
_ROWS = (
    ("v2", "WavLLM-7B", 0.31, 0.12, 0.11, 0.77),
    ("v2", "LTU-AS-7B", 0.99, 0.23, 0.40, 0.37),
    ("v2", "SALMONN-7B", 1.10, 0.31, 0.42, 0.27),
    ("v2", "Qwen2-Audio-Instruct-7B", 1.23, 0.16, 0.50, 0.34),
    ("v1", "WavLLM-7B", 0.49, 0.09, 0.17, 0.74),
    ("v1", "LTU-AS-7B", 1.04, 0.19, 0.49, 0.32),
    ("v1", "SALMONN-7B", 1.21, 0.27, 0.48, 0.25),
    ("v1", "Qwen2-Audio-Instruct-7B", 1.38, 0.13, 0.56, 0.31),
)


def published_results(protocol: str) -> list[dict[str, Any]]:
    """List what was published under a protocol: best-mean, and the shares as fractions of 1."""
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in _ROWS]
    return [row for row in rows if row["protocol"] == protocol]
