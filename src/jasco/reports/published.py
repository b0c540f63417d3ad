"""Published results, as a reference for new figures.

Wang, Mousavi, Ploujnikov, Ravanelli: *What Are They Doing? Joint Audio-Speech Co-Reasoning*. ``v1``
is the first version of the paper (arXiv 2409.14526v1, one judge), ``v2`` the web page of the data
set (three judges). All results are on the 80 clips of the published data set.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedResult:
    """A row of the published table: best-mean, 0 to 2, and modality dependence, fractions of 1."""

    protocol: str
    model: str
    best_mean: float
    audio: float
    both: float
    speech: float


_RESULTS = (
    PublishedResult("v2", "WavLLM-7B", 0.31, 0.12, 0.11, 0.77),
    PublishedResult("v2", "LTU-AS-7B", 0.99, 0.23, 0.40, 0.37),
    PublishedResult("v2", "SALMONN-7B", 1.10, 0.31, 0.42, 0.27),
    PublishedResult("v2", "Qwen2-Audio-Instruct-7B", 1.23, 0.16, 0.50, 0.34),
    PublishedResult("v1", "WavLLM-7B", 0.49, 0.09, 0.17, 0.74),
    PublishedResult("v1", "LTU-AS-7B", 1.04, 0.19, 0.49, 0.32),
    PublishedResult("v1", "SALMONN-7B", 1.21, 0.27, 0.48, 0.25),
    PublishedResult("v1", "Qwen2-Audio-Instruct-7B", 1.38, 0.13, 0.56, 0.31),
)


def published_results(protocol: str) -> list[PublishedResult]:
    """Return the results published under a protocol."""
    return [result for result in _RESULTS if result.protocol == protocol]
