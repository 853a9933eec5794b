"""
What jinja2 writes for small templates and for whole chat templates, set up as transformers sets it up.

    python make.py

reads templates.json and writes expected.json: {versions, cases: {name: [[variables' name, text or {"refused": message}]]}}. The
environment is that of transformers 5.24 (utils/chat_template_utils.py): the immutable sandbox, trim_blocks, lstrip_blocks,
loop controls, its `tojson`, `dict`, `namespace`, `raise_exception` and `{% generation %}`.
"""

import json
import sys
from pathlib import Path

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

here = Path(__file__).parent
file = json.loads((here / "templates.json").read_text())


def rendered(template, variables):
    try:
        return _compile_jinja_template(template).render(**variables)
    except Exception as error:  # Whatever it is: here such a template must be refused.
        return {"refused": f"{type(error).__name__}: {error}"}


cases = {}
for name, template in file["templates"].items():
    chosen = file["whole"] if name in file["chats"] else ["small"]
    cases[name] = [[key, rendered(template, file["variables"][key])] for key in chosen]
versions = {"python": sys.version.split()[0], "jinja2": jinja2.__version__, "transformers": transformers.__version__}
(here / "expected.json").write_text(json.dumps({"versions": versions, "cases": cases}, indent=1, ensure_ascii=False) + "\n")
print(versions, len(cases), "templates,", sum(isinstance(out, dict) for own in cases.values() for _, out in own), "refused")
