"""A real language model on a real server: SmolLM2 behind llama.cpp, in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

SERVER = """
import sys, time, xllamacpp
from jasco.backends.weights import SMOLLM2, find_weight
params = xllamacpp.CommonParams()
params.model.path = str(find_weight(SMOLLM2) / next(iter(SMOLLM2.files)))
params.n_parallel, params.n_ctx, params.verbosity = 4, 4 * 4096, -1
# One thread: several wait for each other, which takes far longer where tests run in parallel.
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()  # until the parent process ends
"""


@contextmanager
def llama_server() -> Iterator[str]:
    """Start the server within a ``with`` block and return its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), "the server did not start"
        time.sleep(0.5)
        yield f"{address}/v1"
    finally:
        process.kill()
        process.wait()
