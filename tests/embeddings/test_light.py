"""Nothing heavy is imported before an encoder runs; what is not installed is named with the extra that brings it."""

import subprocess
import sys

import pytest

LOAD = """
import sys
from pathlib import Path
from trad_array.errors import MissingExtra
from trad_array.scoring.embeddings import load_encoder
from trad_array.scoring.embeddings.encoder import weights_path

for absent in sys.argv[3:]:
    sys.modules[absent] = None
try:
    load_encoder(sys.argv[1], weights_path(sys.argv[1], sys.argv[2] or None))
except MissingExtra as trouble:
    print(trouble)
"""


def test_names_and_back_ends_import_nothing_heavy():
    code = """
import sys
import trad_array.learning.embedding, trad_array.learning.kinds, trad_array.scoring.embeddings.scorer
print(sorted({"torch", "onnxruntime", "safetensors", "livekit.wakeword", "sklearn"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "absent", "says"),
    [
        ("beats", ["torch"], 'torch is not installed: pip install "trad-array[train]"'),
        ("eat", ["safetensors"], 'safetensors is not installed: pip install "trad-array[embeddings]"'),
        ("onnx", ["onnxruntime"], 'onnxruntime is not installed: pip install "trad-array[embeddings]"'),
        ("wakeword", ["livekit"], 'livekit-wakeword is not installed: pip install "trad-array[embeddings]"'),
        ("wakeword", ["onnxruntime"], 'onnxruntime is not installed: pip install "trad-array[embeddings]"'),
    ],
)
def test_what_is_not_installed_is_named(checkpoint, name, absent, says):
    path = checkpoint(name) or ""
    done = subprocess.run([sys.executable, "-c", LOAD, name, str(path), *absent], capture_output=True, text=True)
    assert done.stdout == f"{says}\n", done.stderr
