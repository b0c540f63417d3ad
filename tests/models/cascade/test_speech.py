"""Speech recognition, with the real model."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jasco.backends.weights import WHISPER, find_weight
from jasco.data.audio import read_audio
from jasco.models.cascade.speech import Transcriber


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_real_speech_is_transcribed(real_models: None, tmp_path: Path) -> None:
    flite = shutil.which("flite")
    if not flite:
        assert "CI" not in os.environ, "CI has flite"
        pytest.skip("flite, which speaks the sentence, is not installed")
    path = tmp_path / "spoken.wav"
    sentence = "The train leaves at noon."
    subprocess.run([flite, "-voice", "slt", "-t", sentence, "-o", str(path)], check=True)
    transcript = Transcriber(find_weight(WHISPER)).transcript(read_audio(path).floats)
    assert transcript.lower().strip(" .") == "the train leaves at noon"
