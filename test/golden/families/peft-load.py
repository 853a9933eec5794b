# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "transformers==5.23.0", "peft==0.21.2", "safetensors==0.8.0", "numpy==2.4.6"]
# ///
"""What PEFT computes with an adapter that this project exported.

    python test/golden/families/peft-load.py MODEL ADAPTER OUT TOKEN...

MODEL and ADAPTER are directories, OUT gets the (T, V) logits of the token ids as a safetensors file. Without arguments
the adapters under exported/ are loaded again, with the longer of their model's sequences. Float64, as in make.py.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from peft import PeftModel

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("families", HERE / "make.py")
families = importlib.util.module_from_spec(spec)
spec.loader.exec_module(families)


def record(model, adapter, out, tokens):
    config = json.loads((Path(model) / "config.json").read_text())
    weights = safetensors.numpy.load_file(Path(model) / "model.safetensors")
    with families.llama_lora.widened(), torch.no_grad():
        base = families.build_base(config, weights)
        plain = families.llama_lora.logits_of(base, {"tokens": tokens})
    # Files are read by the names of their types, so not while float32 means float64.
    adapted = PeftModel.from_pretrained(base, adapter).double().eval()
    with families.llama_lora.widened(), torch.no_grad():
        logits = families.llama_lora.logits_of(adapted, {"tokens": tokens})
    assert (logits - plain).norm() > 1e-3 * plain.norm(), "the adapter changes nothing"
    metadata = {"versions": json.dumps(families.versions())}
    values = np.ascontiguousarray(logits.numpy(), dtype=np.float32)
    safetensors.numpy.save_file({"logits": values}, out, metadata=metadata)


def main():
    torch.set_num_threads(1)
    if len(sys.argv) > 4:
        model, adapter, out, *tokens = sys.argv[1:]
        record(model, adapter, out, [int(token) for token in tokens])
        return
    for adapter in sorted((HERE / "exported").iterdir()):
        model = HERE / adapter.name
        expected = json.loads((model / "expected.json").read_text())
        record(model, adapter, adapter / "peft-logits.safetensors", expected["sequences"][1]["tokens"])


if __name__ == "__main__":
    main()
