"""Adapters saved by PEFT, the modules that it adapts, the logits that they give, and weights that it merged.

    pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2 safetensors==0.8.0
    python test/golden/peft/make.py

Writes beside itself, the same bytes again under the same versions: model.safetensors (a random Llama of two layers),
one adapter directory for each case as `save_pretrained` writes it, and expected.json. A and B are random and not zero;
they are rounded to the dtype that they are saved in. Logits and merged weights are computed in float64 from the saved
values; what transformers widens to float32 is widened to float64 by running the whole model so.
"""

import json
import os
import shutil
import sys
from pathlib import Path

if os.environ.get("PYTHONHASHSEED") != "0":
    # Target modules are a set: its order in the saved file follows the hash.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import peft
import safetensors
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
SEED = 4
TOKENS = [1, 5, 23, 7, 7, 12, 3, 19]
SHAPE = {
    "vocab_size": 24, "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": True, "bos_token_id": 1,
    "eos_token_id": 2,
}
CASES = {
    "list": (torch.float32, {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}),
    "suffixes": (torch.float32, {"r": 2, "lora_alpha": 3, "target_modules": ["self_attn.o_proj", "model.layers.1.mlp.up_proj", "c_attn"]}),
    "all-linear": (torch.bfloat16, {"r": 3, "lora_alpha": 6, "use_rslora": True, "target_modules": "all-linear"}),
    "expression": (torch.float16, {"r": 4, "lora_alpha": 4, "target_modules": r".*\.layers\.\d+\.(?:self_attn\.[qk]|mlp\.gate)_proj"}),
    "layers": (torch.float32, {"r": 2, "lora_alpha": 16, "target_modules": ["q_proj", "down_proj"], "layers_to_transform": [1], "layers_pattern": "layers"}),
    "excluded": (torch.float32, {"r": 5, "lora_alpha": 2, "use_rslora": True, "target_modules": ["q_proj", "k_proj", "v_proj"],
                                 "exclude_modules": r".*layers\.0\.self_attn\.v_proj"}),
    "patterns": (torch.float32, {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "up_proj", "down_proj"],
                                 "rank_pattern": {"layers.1.self_attn.q_proj": 7, r".*\.0\.mlp\.(?:up|down)_proj": 2, "up_proj": 5},
                                 "alpha_pattern": {"^model.layers.0.self_attn.v_proj": 3, "down_proj|q_proj": 12, "proj": 1}}),
    "patterns-stabilised": (torch.bfloat16, {"r": 6, "lora_alpha": 5, "use_rslora": True, "target_modules": "all-linear",
                                             "rank_pattern": {"mlp.*": 3}, "alpha_pattern": {"k_proj": 2, r"layers\.1\.self_attn\.k_proj": 9}}),
}
MERGED = ["excluded", "patterns", "patterns-stabilised"]


def base_model(weights=None):
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, attn_implementation="eager"))
    if weights is None:
        for parameter in model.parameters():
            parameter.data.normal_(0, 0.4)
    else:
        model.load_state_dict(weights)
    return model


def logits(model):
    with torch.no_grad():
        return model.double()(torch.tensor([TOKENS])).logits[0]


def main():
    torch.manual_seed(SEED)
    # float32 upcasts inside the norms and the softmax become float64 ones.
    to = torch.Tensor.to
    torch.Tensor.to = lambda self, *a, **k: to(self, *(torch.float64 if x is torch.float32 and self.dtype is torch.float64 else x for x in a), **k)
    weights = {name: value.clone() for name, value in base_model().state_dict().items()}
    save_file({k: v for k, v in weights.items() if k != "lm_head.weight"}, HERE / "model.safetensors", metadata={"format": "pt"})
    cases = {}
    for name, (dtype, options) in CASES.items():
        model = get_peft_model(base_model(weights), LoraConfig(task_type="CAUSAL_LM", base_model_name_or_path="small", **options))
        modules = sorted({key.split(".lora_")[0] for key, _ in model.named_parameters() if ".lora_" in key})
        for key, parameter in model.named_parameters():
            if ".lora_" in key:
                parameter.data = (torch.randn(parameter.shape) * 0.3).to(dtype)
        shutil.rmtree(HERE / name, ignore_errors=True)
        model.save_pretrained(HERE / name)
        (HERE / name / "README.md").unlink()
        loaded = PeftModel.from_pretrained(base_model(weights), HERE / name)
        case = {"modules": [module.removeprefix("base_model.model.") for module in modules], "logits": logits(loaded).flatten().tolist()}
        if name in MERGED:
            merged = loaded.double().merge_and_unload().state_dict()
            case["merged"] = {key: value.flatten().tolist() for key, value in merged.items() if key.removesuffix(".weight") in case["modules"]}
        cases[name] = case
    document = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "safetensors": safetensors.__version__},
        "seed": SEED,
        "config": {"model_type": "llama", **SHAPE},
        "tokens": TOKENS,
        "baseLogits": logits(base_model(weights)).flatten().tolist(),
        "cases": cases,
    }
    (HERE / "expected.json").write_text(json.dumps(document) + "\n")


main()
