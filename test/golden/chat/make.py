"""
Conversations by the reference: apply_chat_template of transformers, with masks found independently.

    python make.py REAL

writes expected.json from the published tokenizers under REAL and from templates.json with the small byte-level tokenizer
beside ../tokenizers.

An entry is [conversation, text, text with the generation prompt, ids, assistant's stretches of tokens] or [conversation,
the message that the template refuses it with]. Where a template has {% generation %}, the stretches are those of
`return_assistant_tokens_mask`. Elsewhere messages are found by searching the text for each content in turn, and the
stretch reaches from the end of the header (`headers`) to the end of the end token (`ends`), by the offsets of the tokens.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import jinja2
import transformers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

here = Path(__file__).parent
real = Path(sys.argv[1])

conversations = json.loads((here / "conversations.json").read_text())
templates = json.loads((here / "templates.json").read_text())
specials = {"bos_token": "<|begin_of_text|>", "eos_token": "<|endoftext|>"}

sources = {
    "qwen2.5": ("tokenizer-qwen2.5", "<|im_start|>assistant\n", "<|im_end|>"),
    "llama3.2-instruct": ("tokenizer-llama3.2-instruct", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    "tinyllama-chat": ("tokenizer-tinyllama-chat", "<|assistant|>\n", "</s>"),
}


def published(folder):
    """Copied without adapter_config.json, whose base model would be asked for."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json"):
            if (real / folder / name).exists():
                shutil.copy(real / folder / name, copy)
        tokenizer = AutoTokenizer.from_pretrained(copy)
    config = json.loads((real / folder / "tokenizer_config.json").read_text())
    # The template by transformers; the ids by the tokenizer.json itself, which some classes of transformers rebuild.
    exact = PreTrainedTokenizerFast(tokenizer_file=str(real / folder / "tokenizer.json"))
    for key in ("bos_token", "eos_token"):
        if config.get(key):
            setattr(exact, key, config[key])
    exact.chat_template = tokenizer.chat_template
    return exact


def own(template):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(here.parent / "tokenizers" / "byte-level.json"), **specials)
    tokenizer.chat_template = template
    return tokenizer


def stretches(mask):
    out = []
    for index, value in enumerate(mask):
        if value and out and out[-1][1] == index:
            out[-1][1] = index + 1
        elif value:
            out.append([index, index + 1])
    return out


def searched(tokenizer, messages, text, header, end):
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    mask = [0] * len(encoded["input_ids"])
    at = 0
    for message in messages:
        content = message["content"].strip()
        is_assistant = message["role"] == "assistant"
        if is_assistant:
            at = text.index(header, at) + len(header)
        begin = at
        if not is_assistant and content not in text[at:]:
            continue  # Some templates leave out roles that they do not know.
        at = text.index(content, at) + len(content)
        if is_assistant:
            at = text.index(end, at) + len(end)
            for index, (first, last) in enumerate(encoded["offset_mapping"]):
                mask[index] |= first < at and last > begin
    return encoded["input_ids"], mask


def entries(tokenizer, header, end):
    out = []
    for name, messages in conversations.items():
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False)
            prompted = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except jinja2.exceptions.TemplateError as refusal:
            out.append([name, str(refusal)])
            continue
        if "{% generation %}" in tokenizer.chat_template:
            both = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
            ids, mask = both["input_ids"], both["assistant_masks"]
        else:
            ids, mask = searched(tokenizer, messages, text, header, end)
            assert ids == tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"]
        out.append([name, text, prompted, ids, stretches(mask)])
    return out


expected = {"versions": {"python": sys.version.split()[0], "transformers": transformers.__version__, "jinja2": jinja2.__version__}}
for name, (folder, header, end) in sources.items():
    expected[name] = entries(published(folder), header, end)
for name, template in templates.items():
    expected[name] = entries(own(template["template"]), template["header"], template["end"])
(here / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
for name, made in expected.items():
    print(name, [len(entry) for entry in made] if name != "versions" else made)
