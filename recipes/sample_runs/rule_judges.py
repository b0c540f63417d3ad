"""Two judges that apply simple rules, not language models, behind OpenAI's protocol.

    python recipes/sample_runs/rule_judges.py

The command prints the base URL of its server, and serves until its standard input is closed.

``keyword-rules`` counts words: an answer that contains a reference keyword is rated 2. Otherwise
its words are compared with those of the reference (rating 1) and of both cues.
``word-vectors`` compares meanings: similarities of word vectors to the reference and to the
single-cue answers of the clip.

They make the mechanics of a panel visible on any machine, in seconds and reproducibly. They do not
reason, so their verdicts are not evidence about a model; the agreement with human labels is what
``jasco exam`` measures.
"""

import json
import re
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jasco.judges.offline.vectors import Vectors, content_words, stem
from jasco.protocol.answer_texts import contains_keyword

Sections = Mapping[str, str]
"""The fields of a judge prompt, by their heading."""
Finding = tuple[int, str, str, str]
"""The rating and its explanation, the orientation and its explanation."""

_SECTIONS = (
    "Audio Sound", "Spoken Text", "Question", "Audio-Oriented Prediction",
    "Speech-Oriented Prediction", "Reference Answer", "Reference Answer Key Words",
    "Model Prediction",
)  # fmt: skip
_PROMPT = re.compile(  # an answer may itself contain the headings: the last [Task1] ends it
    "".join(rf"\[{re.escape(name)}\]\n(.*?)\n\n" for name in _SECTIONS[:-1])
    + rf"\[{_SECTIONS[-1]}\]\n(.*)\n\n\[Task1\]\n",
    re.DOTALL,
)
_OVERLAP = 0.3  # share of the reference's words from which an answer counts as related
_SAME, _RELATED, _WEAK = 0.75, 0.55, 0.3  # cosines; round numbers, not tuned on any labels
_GENERAL_WORDS = frozenset(map(stem, ("likely", "scenario", "activity", "specific")))


def keyword_rules(sections: Sections) -> Finding:
    """Judge an answer by the words that it shares with the texts of the clip."""
    answer, keywords = sections["Model Prediction"], sections["Reference Answer Key Words"]
    if contains_keyword(answer, keywords):
        why = f"The answer contains one of the keywords ({keywords})."
        return 2, why, "Both", "The keywords follow from both cues."
    words, reference = _stems(answer), _stems(sections["Reference Answer"])
    shared = words & reference
    why = f"The answer contains none of the keywords ({keywords}), and {len(shared)} of the "
    why += f"{len(reference)} words of the reference: {_listed(shared)}."
    if shared and len(shared) >= _OVERLAP * len(reference):
        return 1, why, "Both", "These words follow from both cues."
    sound = words & _stems(sections["Audio Sound"] + " " + sections["Audio-Oriented Prediction"])
    speech = words & _stems(sections["Spoken Text"] + " " + sections["Speech-Oriented Prediction"])
    because = f"Words that it shares with the sound: {_listed(sound)}; "
    because += f"with the speech: {_listed(speech)}."
    if not sound and not speech:
        return 0, why, "Neither", because
    if len(sound) == len(speech):
        return 0, why, "Both", because
    orientation = "Audio-Oriented" if len(sound) > len(speech) else "Speech-Oriented"
    return 0, why, orientation, because


def word_vectors(sections: Sections) -> Finding:
    """Judge an answer by the similarity of its word vectors to those of the clip's answers."""
    labels = {
        "Both": "Reference Answer",
        "Audio-Oriented": "Audio-Oriented Prediction",
        "Speech-Oriented": "Speech-Oriented Prediction",
    }
    texts = [sections["Model Prediction"], *(sections[name] for name in labels.values())]
    answer, *others = _vectors().texts([_without_general_words(text) for text in texts])
    similarity = {label: float(answer @ other) for label, other in zip(labels, others, strict=True)}
    closest = max(similarity, key=lambda label: similarity[label])
    orientation = closest if similarity[closest] >= _WEAK else "Neither"
    both = similarity["Both"]
    rating = (both >= _RELATED) + (both >= _SAME) if orientation == "Both" else 0
    because = "Similarities to the single-cue answers: "
    because += f"{similarity['Audio-Oriented']:.2f} to that of the sound, "
    because += f"{similarity['Speech-Oriented']:.2f} to that of the speech."
    return rating, f"The similarity to the reference is {both:.2f}.", orientation, because


JUDGES: Mapping[str, Callable[[Sections], Finding]] = {
    "keyword-rules": keyword_rules,
    "word-vectors": word_vectors,
}
_vectors = cache(Vectors.load)


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, content_words(text))) - _GENERAL_WORDS


def _listed(words: Collection[str]) -> str:
    return ", ".join(sorted(words)) or "none"


def _without_general_words(text: str) -> str:
    return " ".join(word for word in content_words(text) if stem(word) not in _GENERAL_WORDS)


def reply_to(judge: str, prompt: str) -> str:
    """Return a judge's reply to a judge prompt, in the format that the prompt asks for."""
    found = _PROMPT.search(prompt)
    if found is None:
        return "This is not a judge prompt."
    sections = dict(zip(_SECTIONS, found.groups(), strict=True))
    rating, why, orientation, because = JUDGES[judge](sections)
    return (
        f"Explanation1: {why}\nRating: {rating}\n"
        f"Explanation2: {because}\nOrientation: {orientation}\n"
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] in JUDGES:
            text = reply_to(body["model"], body["messages"][-1]["content"])
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self._send(200, {"model": body["model"], "choices": [{"index": 0, **choice}]})
        else:
            self._send(404, {"error": {"message": f"no judge {body['model']}"}})

    def _send(self, status: int, reply: object) -> None:
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Log nothing."""


def main() -> None:
    """Serve the judges on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
