"""The JSON Schema of manifests (for editors) takes and refuses what the parser does, but for what a schema cannot say."""

import copy
import json
import re

import jsonschema
import pytest
import yaml

from conftest import BUILD, ROOT
from sdk import check_manifest

SCHEMA = json.loads((ROOT / "plugin-api/plugin-manifest.schema.json").read_text())
# Needs two places of the manifest at once, or the text as it is written, or who Reeve's own plugins are.
CROSS = ["unknown type", "two types of an alternate", "an alternate cannot hold", "stands twice", "never-deniable is for",
         "is for org.reeve", "must begin with", "but no argument ", "a manifest's file is", "abi must be",
         "without '..'", "needs the C++ name", "need the C++ name", "there is no command", "is a type already", "unknown key 'kids'"]
GOOD = yaml.safe_load("""
manifest: 1
id: com.example.c
version: 0.3.1
vendor: Example
licence: Apache-2.0
abi: 1.0
handle-block: true
idle-exit: 100s
types:
  Unit: {enum: [seconds, minutes]}
  When: {alternate: [int, Unit]}
  Alarm: {object: {at: number, "label?": str, more: [Alarm]}}
commands:
  __com.example_c-set:
    arguments: {path: str, when: When, "alarms?": [[Alarm]], "data?": base64, is-on: bool, id: uint64, x: any}
    flags: [changes-state, asks-warden]
    check: file
    deadline: 5s
  __com.example_c-get: {deadline: none}
  __com.example_c-name: {arguments: {name: str}, object: name, deadline: none}
sandbox:
  promises: [{promise: rpath, why: w}, {promise: threads, why: w}]
  paths: [{read: /usr/share/zoneinfo, why: w}, {read-write: /var/lib/c, why: w}]
  memory: {limit: 128 MiB, why: w}
  file-size: {limit: unlimited, why: w}
  open-files: {limit: 128, why: w}
  tasks: {limit: 32, why: w}
  capabilities: [{capability: SYS_TIME, why: w}]
  inherit: [{fd: mountinfo, why: w}, {proc: loadavg, why: w}, {state: alarms, why: w}, {listen: alarms, mode: "0600", why: w}]
  namespaces: [{host: net, why: w}]
""")
# What may stand in the place of any value: each kind of YAML's, and words that are near to good ones.
WRONG = [None, True, 0, -1, 1.5, "", "x", "5 s", "5 days", "12 KB", "64 KiB", "0999", "/x", "x/../y", [], ["x"], [1, 2], {}, {"x": "y"},
         {"why": "w"}, ["str", "int"], ["seconds", "seconds"]]


def places(value, path=()):
    """Paths of everything inside a value, maps and lists too."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def holder(manifest, path):
    for key in path[:-1]:
        manifest = manifest[key]
    return manifest


def variants():
    for path in places(GOOD):
        without = copy.deepcopy(GOOD)
        del holder(without, path)[path[-1]]
        yield f"without {path}", without
        if isinstance(path[-1], str):
            renamed = copy.deepcopy(GOOD)
            place = holder(renamed, path)
            place[path[-1] + "x y"] = place.pop(path[-1])
            yield f"renamed {path}", renamed
        for wrong in WRONG:
            changed = copy.deepcopy(GOOD)
            holder(changed, path)[path[-1]] = wrong
            yield f"{path} is {wrong!r}", changed


class QuotedTexts(yaml.CSafeDumper):
    """Writes texts that look like something else in quotes, and nothing by reference."""

    def ignore_aliases(self, data):
        return True


def verdicts(folder, manifests):
    """For each the parser's complaints, by one run of the tool."""
    files = []
    for number, manifest in enumerate(manifests):
        place = folder / str(number)
        place.mkdir()
        files.append(place / "c.plugin.yaml")
        files[-1].write_text(yaml.dump(manifest, Dumper=QuotedTexts, sort_keys=False))
    complaints = {str(file): [] for file in files}
    for one in json.loads(check_manifest(BUILD / "bin/reeve-manifest", *files, options=["--json"])[1]):
        complaints[one["file"]].append(one["message"])
    return list(complaints.values())


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", ["plugins/exec/exec.plugin.yaml", "plugins/file/file.plugin.yaml",
                                  "examples/hello-plugin/hello.plugin.yaml", "examples/motd-plugin/motd.plugin.yaml",
                                  "plugin-api/template/mine.plugin.yaml", "plugin-api/testing.plugin.yaml"])
def test_every_manifest_of_the_tree_is_good_to_both(path):
    jsonschema.Draft7Validator(SCHEMA).validate(yaml.safe_load((ROOT / path).read_text()))
    assert check_manifest(BUILD / "bin/reeve-manifest", ROOT / path) == (0, "")


def test_the_example_of_the_manual_is_good():
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "plugin-api/MANIFEST.md").read_text(), re.S)
    jsonschema.Draft7Validator(SCHEMA).validate(yaml.safe_load(blocks[0]))


def test_schema_and_parser_refuse_the_same(tmp_path):
    names, manifests = zip(("good", GOOD), *variants())
    validator = jsonschema.Draft7Validator(SCHEMA)
    wrong = []
    refused = 0
    for name, manifest, complaints in zip(names, manifests, verdicts(tmp_path, manifests)):
        is_refused = not validator.is_valid(manifest)
        refused += is_refused
        can_be_said = [text for text in complaints if not any(part in text for part in CROSS)]
        if is_refused and not complaints:
            wrong.append(f"{name}: refused by the schema alone: {next(validator.iter_errors(manifest)).message}")
        if can_be_said and not is_refused:
            wrong.append(f"{name}: refused by the parser alone: {can_be_said[0]}")
    assert not wrong, "\n".join(wrong)
    assert refused > 1000 and not verdicts(tmp_path / "0", [GOOD])[0]
