# /// script
# requires-python = ">=3.11"
# dependencies = ["huggingface_hub==2.4.0"]
# ///
"""Whether huggingface_hub finds what this package puts into a cache, and this package what huggingface_hub puts there.

    python packages/hub/interchange.py

Run by hand after a change of the layout; needs the repository's Node on the PATH and no network: a mock hub on this
machine answers both. Prints what was compared, ends with an AssertionError where they differ.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import huggingface_hub
from huggingface_hub import scan_cache_dir, snapshot_download

HERE = Path(__file__).resolve().parent
NAMES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]

# Starts the tests' mock hub and then obeys one JSON command a line.
PARTNER = """
import { createInterface } from 'node:readline';
import { MockHub, tinyRepository } from './src/fixture.ts';
import { pull, resolveModel } from './src/index.ts';
const hub = await new MockHub(tinyRepository()).open();
console.log(JSON.stringify({ endpoint: hub.endpoint }));
for await (const line of createInterface({ input: process.stdin })) {
  const { command, name, cacheDirectory } = JSON.parse(line);
  const answer = command === 'pull' ? (await pull(name, { cacheDirectory, endpoint: hub.endpoint })) : { directory: await resolveModel(name, { cacheDirectory }) };
  console.log(JSON.stringify(answer));
}
await hub.close();
"""


def files(directory):
    return {path.name: path.read_bytes() for path in Path(directory).iterdir()}


def main():
    node = subprocess.Popen(
        ["node", "--input-type=module-typescript", "--eval", PARTNER],
        cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    endpoint = json.loads(node.stdout.readline())["endpoint"]

    def ask(command, cache):
        node.stdin.write(json.dumps({"command": command, "name": "org/tiny", "cacheDirectory": cache}) + "\n")
        node.stdin.flush()
        return json.loads(node.stdout.readline())

    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
        pulled = ask("pull", ours)
        found = snapshot_download("org/tiny", cache_dir=ours, local_files_only=True)
        assert Path(found) == Path(pulled["directory"]), (found, pulled["directory"])
        assert sorted(files(found)) == NAMES
        [repo] = scan_cache_dir(ours).repos
        assert not scan_cache_dir(ours).warnings and repo.repo_id == "org/tiny"
        assert {ref for revision in repo.revisions for ref in revision.refs} == {"main"}

        loaded = snapshot_download("org/tiny", cache_dir=theirs, endpoint=endpoint, allow_patterns=NAMES)
        assert Path(ask("resolve", theirs)["directory"]) == Path(loaded)
        assert files(loaded) == files(found)
        layout = lambda cache: sorted(
            (str(path.relative_to(cache)), str(path.readlink()) if path.is_symlink() else "")
            for part in ("blobs", "refs", "snapshots")
            for path in Path(cache, "models--org--tiny", part).rglob("*")
            if not path.is_dir()
        )
        assert layout(ours) == layout(theirs), (layout(ours), layout(theirs))
        again = ask("pull", theirs)
        assert again["receivedBytes"] == 0, again
    node.stdin.close()
    node.wait()
    print(f"huggingface_hub {huggingface_hub.__version__}, Python {sys.version.split()[0]}: same files, links, refs and blobs")


if __name__ == "__main__":
    main()
