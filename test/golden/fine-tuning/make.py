# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "transformers==5.23.0", "peft==0.21.2", "tokenizers==0.23.1", "safetensors==0.8.0"]
# ///
"""Fine-tuning by transformers, PEFT and torch: losses of ten steps with an adapter and with all weights; schedules.

    python test/golden/fine-tuning/make.py

writes `model/` (a random Llama with a tokenizer of characters and a few merges), `adapter/` (PEFT's, both factors
random so that every gradient counts) and `expected.json` anew from `examples.jsonl`. The order of examples is an input:
`ORDER` is what the test finds the product to draw for its seed.

Losses are float32's on this machine; they are means over the targets of a step, gradients are clipped to norm 1.
"""

import json
import platform
import shutil
from pathlib import Path

import peft
import tokenizers
import torch
import transformers
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
SEED = 20261124
MAX_TOKENS = 48
STEPS, WARM_UP = 10, 3
ORDER = json.loads((HERE / "order.json").read_text())
RUNS = {
    "adapter": {"schedule": "cosine", "learningRate": 1e-2},
    "full": {"schedule": "linear", "learningRate": 3e-3},
}
SCHEDULERS = {
    "constant": lambda o, n, _: transformers.get_constant_schedule_with_warmup(o, n),
    "linear": transformers.get_linear_schedule_with_warmup,
    "cosine": transformers.get_cosine_schedule_with_warmup,
}


CHAT = (
    "{% for message in messages %}<s>{{ message['role'] }}: "
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}</s>{% endgeneration %}"
    "{% else %}{{ message['content'] }}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)


def make_tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<pad>", "<s>", "</s>"]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "n"), ("Ġ", "a"), ("o", "r"), ("Ġ", "m")]
    tokens = specials + alphabet + [a + b for a, b in merges]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.add_special_tokens(specials)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", chat_template=CHAT
    )


def make_model():
    config = LlamaConfig(
        vocab_size=3 + 256 + 7, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
        initializer_range=0.15, bos_token_id=1, eos_token_id=2, pad_token_id=0, attn_implementation="eager",
    )
    return LlamaForCausalLM(config).eval()


def encode(tokenizer, line):
    """Ids and a mask of the targets, as transformers' own tokenizer gives the ids."""
    example = json.loads(line)
    if "messages" in example:
        coded = tokenizer.apply_chat_template(
            example["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        return coded["input_ids"][:MAX_TOKENS], coded["assistant_masks"][:MAX_TOKENS]
    prompt = example.get("prompt", "")
    coded = tokenizer(prompt + example.get("completion", example.get("text")), return_offsets_mapping=True)
    ids = coded["input_ids"] + [2]
    # A token that ends behind the prompt is a target, also where it begins within it.
    mask = [int(end > len(prompt)) for _, end in coded["offset_mapping"]] + [1]
    return ids[:MAX_TOKENS], mask[:MAX_TOKENS]


def loss_of(model, batch):
    total, count = 0.0, 0
    for ids, mask in batch:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1]
        each = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
        chosen = torch.tensor(mask[1:], dtype=torch.bool)
        total, count = total + each[chosen].sum(), count + int(chosen.sum())
    return total / count


def train(model, documents, schedule, learning_rate):
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    scheduler = SCHEDULERS[schedule](optimizer, WARM_UP, STEPS)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, [documents[i] for i in ORDER[step]])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        losses.append(loss.item())
        optimizer.step()
        scheduler.step()
    return losses


def rates(schedule, warm_up, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = SCHEDULERS[schedule](optimizer, warm_up, steps)
    values = []
    for _ in range(steps):
        values.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return values


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    for name in ("model", "adapter"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    tokenizer, base = make_tokenizer(), make_model()
    tokenizer.save_pretrained(HERE / "model")
    base.save_pretrained(HERE / "model")
    (HERE / "model" / "generation_config.json").unlink(missing_ok=True)
    documents = [encode(tokenizer, line) for line in (HERE / "examples.jsonl").read_text().splitlines()]

    adapter = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    wrapped = get_peft_model(LlamaForCausalLM.from_pretrained(HERE / "model", attn_implementation="eager"), adapter).eval()
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad:
                parameter.normal_(0.0, 0.1)
    wrapped.save_pretrained(HERE / "adapter")
    config = json.loads((HERE / "adapter" / "adapter_config.json").read_text()) | {"base_model_name_or_path": "model"}
    (HERE / "adapter" / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (HERE / "adapter" / "README.md").unlink(missing_ok=True)

    full = LlamaForCausalLM.from_pretrained(HERE / "model", attn_implementation="eager").eval()
    document = {
        "documents": [{"tokens": ids, "mask": mask} for ids, mask in documents],
        "warmUpSteps": WARM_UP,
        "maxTokens": MAX_TOKENS,
        "runs": {
            name: settings | {"losses": train(model, documents, settings["schedule"], settings["learningRate"])}
            for (name, settings), model in zip(RUNS.items(), (wrapped, full))
        },
        "schedules": [
            {"schedule": name, "warmUpSteps": warm_up, "steps": steps, "rates": rates(name, warm_up, steps)}
            for name in SCHEDULERS
            for warm_up, steps in ((0, 7), (3, 10), (5, 5), (8, 6), (1, 1))
        ],
        "versions": {
            "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
            "peft": peft.__version__, "tokenizers": tokenizers.__version__,
        },
    }
    (HERE / "expected.json").write_text(json.dumps(document) + "\n")
    print({name: run["losses"] for name, run in document["runs"].items()})


if __name__ == "__main__":
    main()
