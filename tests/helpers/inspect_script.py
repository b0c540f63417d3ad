"""Models and judges that Inspect and this package both reach, with the same replies."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fake_providers import FakeJudge, FakeModel, Key
from jasco import load_dataset
from jasco.data.audio import Audio, read_audio
from jasco.plugins import Failure, Item, Judgement, Protocol, Response
from jasco.protocol.judging import request_verdict
from jasco.protocol.verdicts import Orientation

SampleKey = tuple[str, int, int]
"""A clip's id, the number of the instruction, and the index of the sample."""


def verdict_text(judge: str, prompt: str) -> str:
    """Return a reply that depends on judge and prompt: every verdict, and some unreadable ones."""
    digest = hashlib.sha256(f"{judge} {prompt}".encode()).digest()
    if digest[0] % 9 == 0:
        return "I cannot say."
    return f"Rating: {digest[1] % 3}\nOrientation: {list(Orientation)[digest[2] % 4]}"


@dataclass
class Scripted:
    """The replies of ``test/model``, ``test/one``, ``test/two``, ..., in both worlds.

    Attributes
    ----------
    failing : set of SampleKey
        The samples that the model fails to answer.
    silent : set of Key
        The items to which the answer is an empty text, in Inspect.
    failing_judges : dict of str to callable
        Whether a judge fails at a prompt, by its name.
    empty : bool
        Whether a failure is an output without choices, instead of an error.
    calls : Counter
        Number of answers to each item so far, in Inspect.
    configs : dict of str to GenerateConfig
        The decoding in the last request, by the name of the model.
    """

    failing: set[SampleKey] = field(default_factory=set)
    silent: set[Key] = field(default_factory=set)
    failing_judges: dict[str, Callable[[str], bool]] = field(default_factory=dict)
    empty: bool = False
    calls: Counter[Key] = field(default_factory=Counter)
    configs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data = load_dataset("mini")
        paths = {clip.id: data.audio_path(clip) for clip in data.clips}
        self._clips = {read_audio(path).wav_base64: id_ for id_, path in paths.items() if path}
        self._numbers = {item.instruction: item.number for item in data.items()}

    def fails(self, judge: str, prompt: str) -> bool:
        return self.failing_judges.get(judge, lambda _: False)(prompt)

    def reply(self, name: str, messages: Any, config: Any) -> str | None:
        """Return the text of a reply to a request by Inspect; None fails."""
        self.configs[name] = config
        if name != "model":
            prompt = messages[-1].text
            return None if self.fails(name, prompt) else verdict_text(name, prompt)
        [message] = messages
        audio, text = message.content
        clip = self._clips[audio.audio.partition(",")[2]]
        key = clip, self._numbers[text.text]
        sample = self.calls[key]
        self.calls[key] += 1
        if key in self.silent:
            return ""
        return None if (*key, sample) in self.failing else f"answer {clip} {key[1]} {sample}"

    def model(self) -> FakeModel:
        """Return the same model for this package."""
        return _Model(failing_samples=self.failing)

    def judge(self, name: str) -> FakeJudge:
        """Return the same judge for this package."""
        return _Judge(name, script=self)


@dataclass
class _Model(FakeModel):
    failing_samples: set[SampleKey] = field(default_factory=set)

    async def answer(self, item: Item, audio: Audio | None) -> Response | Failure:
        key = item.clip.id, item.number, item.sample
        if key in self.failing_samples:
            return Failure("timeout", "too late")
        return Response("answer {} {} {}".format(*key))


@dataclass
class _Judge(FakeJudge):
    script: Scripted | None = None

    async def judge(self, item: Item, prediction: str, protocol: Protocol) -> Judgement | Failure:
        assert self.script
        steps = request_verdict(item, prediction, protocol)
        request = next(steps)
        while True:
            prompt = request.messages[-1]["content"]
            if self.script.fails(self.name, prompt):
                return Failure("server", "500")
            try:
                request = steps.send(verdict_text(self.name, prompt))
            except StopIteration as end:
                return end.value


_current: list[Scripted] = []  # Inspect keeps a model that it has created once


def register(script: Scripted) -> None:
    """Register the models ``test/...`` in Inspect, with these replies."""
    from inspect_ai.model import ModelAPI, ModelOutput, modelapi

    @modelapi(name="test")
    class Api(ModelAPI):
        async def generate(self, **request: Any) -> Any:
            script = _current[0]
            text = script.reply(self.model_name, request["input"], request["config"])
            if text is not None:
                return ModelOutput.from_content(self.model_name, text)
            if script.empty:
                return ModelOutput(model=self.model_name, choices=[])
            raise RuntimeError("scripted failure")

    _current[:] = [script]
