"""The SDK as a vendor has it: the package reeve-dev, unpacked into a folder, and plugins built against nothing else."""

import os
import pathlib
import shutil
import subprocess

COMPILERS = {"gcc": {"CC": "gcc", "CXX": "g++"}, "clang": {"CC": "clang-19", "CXX": "clang++-19"}}
BUILD_LIMIT_S = 240


class Sdk:
    def __init__(self, build, folder):
        self.prefix = folder / "root/usr"
        made = subprocess.run(["cpack", "--config", build / "CPackDevConfig.cmake", "-B", folder / "made"], cwd=folder,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, umask=0o022, check=False)
        assert made.returncode == 0, made.stdout
        (self.package,) = folder.glob("made/reeve-dev_*.deb")
        subprocess.run(["dpkg-deb", "--extract", self.package, folder / "root"], check=True)
        self.tool = self.prefix / "bin/reeve-manifest"
        self.template = self.prefix / "share/reeve/template"
        self.schema = self.prefix / "share/reeve/plugin-manifest.schema.json"
        self.include = self.prefix / "include"

    def environment(self, compiler="gcc"):
        return {"PATH": f"{self.prefix}/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent",
                "CMAKE_PREFIX_PATH": str(self.prefix), "CMAKE_BUILD_TYPE": "Release", "CMAKE_GENERATOR": "Ninja",
                "CCACHE_DIR": os.environ.get("CCACHE_DIR", str(pathlib.Path.home() / ".cache/ccache")),
                **{f"CMAKE_{language}_COMPILER_LAUNCHER": "ccache" for language in ("C", "CXX") if shutil.which("ccache")},
                **COMPILERS[compiler]}

    def run(self, *words, compiler="gcc", cwd="/"):
        """What a command printed; it must succeed."""
        done = subprocess.run([str(word) for word in words], cwd=cwd, env=self.environment(compiler), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BUILD_LIMIT_S, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout}"
        return done.stdout

    def configure(self, source, compiler="gcc", strict=True):
        """Returns the build tree of the CMake project in `source`."""
        made = pathlib.Path(source) / f"build-{compiler}"
        flags = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror" if strict else ""
        self.run("cmake", "-S", source, "-B", made, f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_CXX_FLAGS={flags}", compiler=compiler)
        return made

    def build(self, source, compiler="gcc"):
        """Builds the CMake project in `source` and runs its tests; returns where it was built."""
        made = self.configure(source, compiler)
        self.run("cmake", "--build", made, compiler=compiler)
        self.run("ctest", "--test-dir", made, "--output-on-failure", "--no-tests=error", compiler=compiler)
        return made

    def check(self, manifest, *options):
        return check_manifest(self.tool, manifest, options=options)


def check_manifest(tool, *manifests, options=()):
    """Exit code and what reeve-manifest says of them."""
    done = subprocess.run([tool, "check", *options, *manifests], text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def copy_of(source, directory):
    """A copy of a folder, without anything that was built in it."""
    copy = pathlib.Path(directory) / pathlib.Path(source).name
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("build*"))
    return copy
