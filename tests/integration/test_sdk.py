"""What a vendor does with the package reeve-dev: the examples and the template are built against the installed SDK alone, with
both compilers, and answer through a sandboxed worker."""

import concurrent.futures
import filecmp
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ROOT
from running_reeve import reeve_in_directory
from sdk import COMPILERS, copy_of

HELLO, GET, UPTIME = "__com.example_hello", "__com.example_motd-get", "__com.example_motd-uptime"


def make_vendor(sdk, folder, compiler):
    """A folder with both examples, as that compiler made them."""
    plugins = folder / "plugins"
    plugins.mkdir()
    for name in ("hello", "motd"):
        made = sdk.build(copy_of(ROOT / f"examples/{name}-plugin", folder), compiler)
        for file in (f"{name}.so", f"{name}.plugin.yaml"):
            shutil.copy2(made / file, plugins)
    return plugins


@pytest.fixture(scope="module")
def vendors(sdk, tmp_path_factory):
    """{compiler: the future of its folder}. The compilers work side by side."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield {name: pool.submit(make_vendor, sdk, tmp_path_factory.mktemp(f"vendor-{name}"), name) for name in COMPILERS}


@pytest.fixture(scope="module", params=sorted(COMPILERS))
def vendor(request, vendors):
    return vendors[request.param].result()


def policy_of_example():
    """The lines that the example's README gives to the administrator."""
    text = (ROOT / "examples/motd-plugin/README.md").read_text()
    return re.search(r"```yaml\n(.*?)```", text, re.S).group(1)


@pytest.fixture
def reeve(reeve_install, vendor):
    with reeve_in_directory(reeve_install) as reeve:
        plugins = reeve.directory / "plugins"
        shutil.copytree(reeve_install / "lib/reeve/plugins", plugins)
        for file in vendor.iterdir():
            shutil.copy2(file, plugins)
        reeve.write_policy(policy_of_example().replace(GET + ",", f"{GET}, {HELLO},"))
        yield reeve.start("--plugin-dir", str(plugins))


def test_the_examples_answer_through_workers_of_their_own(reeve):
    assert reeve.call(HELLO) == {"return": {"greeting": "hello"}}
    motd = reeve.call(GET)["return"]
    assert motd == {"text": pathlib.Path("/etc/motd").read_text(), "is-whole": True}
    uptime = reeve.call(UPTIME, is_pretty=True)["return"]
    assert uptime["exit-code"] == 0 and uptime["output"].startswith("up ")
    assert reeve.worker("hello") and reeve.worker("motd")


def test_what_the_policy_does_not_grant_is_refused_to_the_example(reeve):
    assert reeve.call(GET, max_bytes=0)["error"]["desc"] == "max-bytes is out of range"
    assert reeve.call(GET, max_bytes=3)["return"] == {"text": pathlib.Path("/etc/motd").read_text()[:3], "is-whole": False}
    reeve.stop()
    reeve.write_policy(f"schema: 1\ncommands: {{allow: [{GET}, {UPTIME}]}}\n")
    reeve.start("--plugin-dir", str(reeve.directory / "plugins"))
    assert "policy rule" in reeve.call(GET)["error"]["desc"]
    assert "policy rule" in reeve.call(UPTIME)["error"]["desc"]


@pytest.mark.parametrize("compiler", sorted(COMPILERS))
def test_the_template_makes_a_plugin_under_another_name(sdk, tmp_path, compiler):
    folder = copy_of(sdk.template, tmp_path)
    for file in list(folder.iterdir()):
        text = file.read_text().replace("MINE_COM_EXAMPLE_MINE", "CLOCK_NET_VENDOR_CLOCK").replace("com.example", "net.vendor")
        text = text.replace("mine", "clock").replace("Mine", "Clock")
        file.unlink()
        (folder / file.name.replace("mine", "clock")).write_text(text)
    made = sdk.build(folder, compiler)
    assert (made / "clock.so").exists() and (made / "clock.plugin.yaml").exists()


def test_the_installed_headers_are_those_that_were_compiled_alone(sdk):
    headers = sorted(path.name for path in (ROOT / "plugin-api/include/reeve").iterdir())
    assert sorted(path.name for path in (sdk.include / "reeve").iterdir()) == headers
    assert filecmp.cmpfiles(ROOT / "plugin-api/include/reeve", sdk.include / "reeve", headers, shallow=False)[0] == headers


def test_a_bad_manifest_fails_the_build(sdk, tmp_path):
    folder = copy_of(sdk.template, tmp_path)
    manifest = folder / "mine.plugin.yaml"
    manifest.write_text(manifest.read_text().replace("deadline", "deadlin"))
    with pytest.raises(AssertionError, match=r"mine\.plugin\.yaml:14:5: unknown key 'deadlin'.*did you mean 'deadline'"):
        sdk.build(folder)


@pytest.fixture(scope="module")
def configured(sdk, tmp_path_factory):
    """The template and its build tree, in which nothing is built yet."""
    folder = copy_of(sdk.template, tmp_path_factory.mktemp("template"))
    return folder, sdk.configure(folder, strict=False)


@pytest.mark.parametrize("change, complaint", [
    (("&Mine::Greet)", "&Mine::Greet, &Mine::Greet)"), "has two handlers"),
    ((", &Mine::Greet)", ")"), "has no handler"),
    (("const mine_manifest::MineGreet& arguments", "const std::string& arguments"), "of no command of the manifest"),
])
def test_a_handler_too_many_or_too_few_does_not_compile(sdk, configured, change, complaint):
    folder, made = configured
    good = (sdk.template / "plugin.cc").read_text()
    changed = good.replace(*change)
    assert changed != good
    (folder / "plugin.cc").write_text(changed)
    with pytest.raises(AssertionError, match=complaint):
        sdk.run("cmake", "--build", made, "--target", "mine")


@pytest.mark.parametrize("code, flags, complaint", [
    ("", "", None),
    ("__attribute__((visibility(\"default\"))) int more(void) { return 1; }", "", "it exports"),
    ("#include <stdlib.h>\n__attribute__((used)) static int leave(void) { exit(1); }", "", "it calls exit"),
    ("", "-Wl,-z,execstack", "executable stack"),
    ("", "-Wl,-z,lazy", "not bound at load"),
    ("", "-Wl,-rpath,/opt/vendor", "a path of its own"),
    ("", "-Wl,-z,norelro", "stays writable"),
])
def test_the_check_of_an_object_sees(sdk, tmp_path, code, flags, complaint):
    source = tmp_path / "p.c"
    source.write_text("int reeve_plugin_query(void);\n__attribute__((visibility(\"default\"))) int reeve_plugin_query(void) "
                      "{ return 0; }\n" + code + "\n")
    good = "-shared -fPIC -fvisibility=hidden -Wl,-z,relro,-z,now,-z,noexecstack"
    subprocess.run(f"gcc {good} {flags} -o p.so p.c", shell=True, cwd=tmp_path, check=True)
    (script,) = sdk.prefix.glob("lib/**/ReevePluginCheckObject.cmake")
    done = subprocess.run(["cmake", "-D", f"OBJECT={tmp_path}/p.so", "-P", script], text=True, capture_output=True, check=False)
    assert (done.returncode == 0) == (complaint is None), done.stderr
    assert complaint is None or complaint in done.stderr


def test_the_tool_tells_mistakes_to_people_and_to_programs(sdk, tmp_path):
    bad = tmp_path / "c.plugin.yaml"
    bad.write_text("manifest: 1\nid: com.example.c\nversion: 1\nabi: 1.0\ncommands: {x: {deadline: 5s}}\n")
    complaint = "command 'x' of a vendor must begin with its domain, as __com.example_x"
    assert sdk.check(bad) == (1, f"{bad}:5:12: {complaint}\n")
    assert sdk.check(bad, "--json") == (
        1, f'[{{"file": "{bad}", "line": 5, "column": 12, "message": "{complaint}"}}]\n')
    assert sdk.check(sdk.template / "mine.plugin.yaml") == (0, "")
    assert sdk.check(sdk.template / "mine.plugin.yaml", "--json") == (0, "[]\n")
    assert sdk.check(tmp_path / "absent.plugin.yaml")[0] == 2
