#!/usr/bin/env python3
"""A build tool in the spirit of make, over Firn: compiles every .c file of a directory and links them.

    build.py SOURCES OUT      # leaves OUT/program; prints what was done for which file

It knows nothing of Nix and of no store path. All it does is to write recipes (docs/formats/recipe-file.md) for `firn recipe run`: one for each
source file, whose inputs are that file, the headers it includes and the compiler, and one for the program, whose inputs are outputs of the others.
What has to be done again is not this tool's business. Firn executes a recipe only if contents of its inputs changed, so a comment that leaves the
object file as it was costs one compilation and no link.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FIRN = os.environ.get("FIRN", "firn")
FLAGS = ["-O1", "-Wall"]


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: build.py SOURCES OUT")
    sources, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    files = sorted(sources.glob("*.c"))
    if not files:
        sys.exit(f"{sources} holds no .c file")
    tools = tool_chain(out / "tools")
    recipes = {f"{file.stem}.o": compilation(file, tools) for file in files}
    recipes["program"] = link([f"{file.stem}.o" for file in files], tools)
    done = run(recipes, out)
    for name, attempt in done.items():
        verb = "unchanged" if attempt["reused"] else "linked" if name == "program" else "compiled"
        print(f"{verb:9}  {name}  {attempt['outputs'][output_of(name)]['digest']}")


def compilation(file, tools):
    """One object file: from its source, the headers of its own directory that it includes, and the compiler."""
    inputs = {f"src/{path.name}": str(path) for path in [file, *headers_of(file)]}
    name = f"{file.stem}.o"
    return {
        "argv": ["/usr/bin/gcc", *FLAGS, "-c", f"/src/{file.name}", "-o", f"/{output_of(name)}"],
        "inputs": {**inputs, **tools},
        "env": {"PATH": "/usr/bin"},
        "outputs": [output_of(name)],
    }


def link(objects, tools):
    """The program, from outputs of other recipes."""
    return {
        "argv": ["/usr/bin/gcc", *[f"/obj/{name}" for name in objects], "-o", f"/{output_of('program')}"],
        "inputs": {**{f"obj/{name}": {"recipe": name, "output": output_of(name)} for name in objects}, **tools},
        "env": {"PATH": "/usr/bin"},
        "outputs": [output_of("program")],
    }


def output_of(name):
    return f"made/{name}"


def headers_of(file, seen=None):
    """Headers beside a file that it includes with quotes, and those that these include."""
    seen = set() if seen is None else seen
    for name in re.findall(r'^\s*#\s*include\s*"([^"/]+)"', file.read_text(), re.MULTILINE):
        header = file.parent / name
        if header not in seen and header.exists():
            seen.add(header)
            headers_of(header, seen)
    return sorted(seen)


def run(recipes, out):
    """Has Firn build the recipes; yields what it says of each. Ends the tool when something failed, after Firn has said why."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"recipes": recipes}, file)
        file.flush()
        ended = subprocess.run(
            [FIRN, "recipe", "run", "--json", "--quiet", "--out", out / "new", file.name], stdout=subprocess.PIPE
        )
    if ended.returncode != 0:
        sys.exit(ended.returncode)
    os.replace(out / "new" / output_of("program"), out / "program")
    shutil.rmtree(out / "new")
    return json.loads(ended.stdout)["recipes"]


# The compiler of this host as inputs. A sandbox shows nothing of the host, so what gcc needs is gathered once into a directory, which Firn imports; from
# then on it looks at the dates of the files and reads none of them again.


def tool_chain(directory):
    """Inputs that put gcc, binutils, the C library and its headers where they are on this host."""
    if not directory.exists():
        gather(directory)
    links = {}
    for name in ["lib", "lib64"]:
        if Path("/", name).is_symlink():
            links[name] = {"type": "symlink", "target": os.readlink(f"/{name}")}
    return {"usr": str(directory / "usr"), **links}


def gather(directory):
    part = directory.with_name("tools.part")
    shutil.rmtree(part, ignore_errors=True)
    for path in sorted(needed_files()):
        target = part / "usr" / path.relative_to("/usr")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy2(path, target)
    part.rename(directory)


def needed_files():
    """Files below /usr that compiling and linking a C program reads."""
    programs = [Path(shutil.which(name)) for name in ["gcc", "as", "ld"]]
    programs += [Path(said_by_gcc(f"-print-prog-name={name}")) for name in ["cc1", "collect2"]]
    plugin = Path(said_by_gcc("-print-prog-name=liblto_plugin.so"))
    if plugin.is_absolute():
        programs.append(plugin)
    files = {in_usr(program) for program in programs}
    for program in programs:
        files |= libraries_of(program)
    own = in_usr(Path(said_by_gcc("-print-libgcc-file-name"))).parent
    files |= {path for path in own.rglob("*") if path.suffix in (".o", ".a", ".h", ".so") and path.is_file()}
    for name in ["crt1.o", "Scrt1.o", "crti.o", "crtn.o", "libc.so", "libc.so.6", "libc_nonshared.a", "libgcc_s.so.1"]:
        found = in_usr(Path(said_by_gcc(f"-print-file-name={name}")))
        files |= {found} if found.is_file() else set()
    files |= {path for path in Path("/usr/include").glob("*.h")}
    machine = said_by_gcc("-print-multiarch")
    for name in [machine, "bits", "sys", "gnu", "linux", "asm", "asm-generic"]:
        files |= {path for path in Path("/usr/include", name).rglob("*.h") if path.is_file()}
    return files


def libraries_of(program):
    """Shared libraries a program loads, the loader too."""
    ended = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return {in_usr(Path(path)) for path in re.findall(r"(/\S+) \(0x", ended.stdout)}


def in_usr(path):
    """The path below /usr, where /lib and the like are links into it; its own name is kept when it is a link itself."""
    path = Path(os.path.normpath(path))
    return path if path.is_relative_to("/usr") else path.parent.resolve() / path.name


def said_by_gcc(flag):
    return subprocess.run(["gcc", flag], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
