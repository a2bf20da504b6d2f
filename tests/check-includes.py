#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of the rooms: who may include whom.

    tests/check-includes.py [TREE]

Reads every source under lib/, cmd/ and include/ and prints test lines for tests/run.sh. The table ROOMS is the one of
lib/README.md. Its own test builds small bad trees and expects each of them to be refused for the right reason.
"""
import os
import re
import sys
import tempfile

FACTS = {"base", "ruleset", "node", "k8s", "names", "klog", "snapshot"}
JUDGES = FACTS | {"nat", "expect", "verify"}
ROOMS = {  # a room: the rooms whose headers it may include, beside its own
    "base": set(),
    "api": {"base"},
    "ruleset": {"base"},
    "node": {"base"},
    "k8s": {"base"},
    "names": {"base"},
    "klog": {"base"},
    "snapshot": FACTS - {"snapshot"},
    "kernel": {"base"},
    "source": FACTS | {"api", "kernel"},
    "nat": {"base", "ruleset", "node"},
    "expect": {"base", "k8s", "names", "node"},
    "verify": JUDGES - {"verify"},
    "checks": JUDGES,
    "report": JUDGES | {"checks"},
    "redact": {"base", "k8s", "klog", "expect"},
}
ROOMS["cmd"] = set(ROOMS)

PURE = {"nat", "expect", "verify"}  # no I/O, no clock
JANSSON = {"base", "api", "k8s", "kernel", "source", "report", "redact", "cmd"}  # readers and writers of JSON
NO_KUBE_PROXY = {"nat", "ruleset"}  # these know no chain names

# Headers of the C library and the kernel; every other one in <> belongs to an outside library.
LIBC = set("""alloca.h assert.h complex.h ctype.h dirent.h endian.h err.h errno.h fcntl.h fenv.h float.h fnmatch.h getopt.h glob.h
    grp.h ifaddrs.h inttypes.h langinfo.h libgen.h limits.h locale.h malloc.h math.h memory.h netdb.h poll.h pthread.h pwd.h regex.h
    resolv.h sched.h search.h setjmp.h signal.h spawn.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h
    stdio_ext.h stdlib.h stdnoreturn.h string.h strings.h syslog.h termios.h threads.h time.h uchar.h unistd.h wchar.h wctype.h""".split())
LIBC_FOLDERS = ("sys/", "netinet/", "arpa/", "net/", "linux/", "asm/", "bits/")
LIBRARY_OF = {"archive.h": "libarchive", "archive_entry.h": "libarchive", "sha2.h": "libmd", "sha256.h": "libmd", "md5.h": "libmd",
              "yaml.h": "libyaml", "jansson.h": "jansson", "curl/curl.h": "libcurl", "zlib.h": "zlib", "ares.h": "c-ares"}
# The readers of the kernel speak of its structs: any of them may use these.
KERNEL_LIBRARIES = ("libmnl/", "netlink/")
# One file each, but for these: reading and packing archives share nothing but the library.
SHARED = {"libarchive": {"lib/source/bundle-archive.c", "lib/source/archive-out.c"}}
PURE_HEADERS = {"fcntl.h", "unistd.h", "time.h", "sys/time.h", "sys/stat.h", "sys/mman.h", "dirent.h", "poll.h", "signal.h", "netdb.h"}
PURE_CALLS = re.compile(r"\b(fopen|open|openat|read|write|printf|fprintf|puts|fputs|perror|time|clock_gettime|gettimeofday|getenv|"
                        r"socket|sleep|rand|random|getrandom|file_read_at|file_read_below|clock_ms)\s*\(")
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|inet_ntoa|alloca|gets)\s*\(")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def strip(text):
    """The text without comments and literals, lines kept; and the same with literals, for the includes."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(m, keep_strings):
        s = m.group(0)
        if keep_strings and s[0] == '"':
            return s
        return " " + "\n" * s.count("\n") if s[0] == "/" else s[0] + s[0]
    return pattern.sub(lambda m: blank(m, False), text), pattern.sub(lambda m: blank(m, True), text)


def line_of(text, pos):
    return text.count("\n", 0, pos) + 1


def room_of(path):
    parts = path.split("/")
    if parts[0] == "lib":
        return parts[1] if len(parts) == 3 else None
    if parts[0] == "cmd":
        return "cmd" if len(parts) == 2 else None
    return room_of_header("/".join(parts[2:])) if parts[:2] == ["include", "svcdoctor"] else None


def room_of_header(name):
    stem = name[:-2] if name.endswith(".h") else name
    return stem if stem in ROOMS and stem != "cmd" else None


def sources(tree):
    for top in ("include", "lib", "cmd"):
        for folder, _, files in sorted(os.walk(os.path.join(tree, top))):
            for f in sorted(files):
                if f.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, f), tree)


def check_include(tree, path, room, bracket, name, users):
    """Why this #include is not allowed, or None. Notes the users of outside libraries."""
    if bracket == '"':
        if "/" in name:
            return f'"{name}" is in another folder: project headers are <svcdoctor/...>'
        if room != "cmd" and not name.endswith("-private.h"):
            return f'"{name}" is private and must be called *-private.h'
        if path.startswith("include/"):
            return f'a public header includes the private "{name}"'
        if not os.path.exists(os.path.join(tree, os.path.dirname(path), name)):
            return f'"{name}" is not in this folder'
        return None
    if name.startswith("svcdoctor/"):
        other = room_of_header(name[len("svcdoctor/"):])
        if other is None:
            return f"<{name}> belongs to no room"
        if other != room and other not in ROOMS[room]:
            return f"room {room} may not use room {other}"
        return None
    if name.endswith("-private.h"):
        return f"<{name}> is a private header"
    if name in LIBC or name.startswith(LIBC_FOLDERS):
        if room in PURE and name in PURE_HEADERS:
            return f"room {room} does no I/O and reads no clock, so it needs no <{name}>"
        return None
    library = LIBRARY_OF.get(name, name.split("/")[0])
    if name.startswith(KERNEL_LIBRARIES):
        return None if room == "kernel" else f"only room kernel speaks to the kernel, not {room}"
    if library == "jansson":
        return None if room in JANSSON else f"room {room} reads and writes no JSON"
    if path.endswith(".h"):
        return f"a header includes the outside library {library}"
    users.setdefault(library, set()).add(path)
    return None


def check_file(tree, path, users):
    with open(os.path.join(tree, path), encoding="utf-8", errors="replace") as f:
        text = f.read()
    room = room_of(path)
    if room not in ROOMS:
        yield path, 1, "lies in no room"
        return
    code, with_strings = strip(text)
    for m in INCLUDE.finditer(with_strings):
        why = check_include(tree, path, room, m.group(1), m.group(2), users)
        if why:
            yield path, line_of(with_strings, m.start()), why
    if not path.endswith("base.h"):  # which poisons them
        for m in BANNED.finditer(code):
            yield path, line_of(code, m.start()), f"calls {m.group(1)}"
    if room in PURE and path.startswith("lib/"):
        for m in PURE_CALLS.finditer(code):
            yield path, line_of(code, m.start()), f"room {room} does no I/O and reads no clock, but calls {m.group(1)}"
    if room in NO_KUBE_PROXY and "KUBE" in text:
        yield path, line_of(text, text.index("KUBE")), f"room {room} knows no chain names of kube-proxy"
    if "SPDX-License-Identifier: GPL-2.0-or-later" not in text[:200]:
        yield path, 1, "names no licence"


def check(tree):
    """All breaches as (path, line, why)."""
    users, found, count = {}, [], 0
    for path in sources(tree):
        count += 1
        found += check_file(tree, path, users)
    for library, files in sorted(users.items()):
        if len(files) > 1 and not files <= SHARED.get(library, set()):
            found += [(f, 1, f"the outside library {library} is included by {len(files)} source files") for f in sorted(files)]
    if count == 0:
        found.append((tree, 0, "holds no sources"))
    return found, count


SPDX = "/* SPDX-License-Identifier: GPL-2.0-or-later */\n"
GOOD = {"include/svcdoctor/base.h": "#include <stdio.h>\n", "include/svcdoctor/ruleset.h": "#include <svcdoctor/base.h>\n",
        "lib/nat/walk.c": '#include <svcdoctor/ruleset.h>\n#include "nat-private.h"\n/* #include <archive.h> strcpy( */\n',
        "lib/nat/nat-private.h": "", "lib/source/tar.c": "#include <archive.h>\n#include <archive_entry.h>\n#include <jansson.h>\n",
        "cmd/main.c": '#include <svcdoctor/source.h>\n#include "command.h"\n', "cmd/command.h": ""}
BAD = [  # what is put into the good tree, and what must be said about it
    ("lib/nat/a.c", "#include <svcdoctor/k8s.h>\n", "room nat may not use room k8s"),
    ("lib/checks/a.c", "#include <svcdoctor/source.h>\n", "room checks may not use room source"),
    ("include/svcdoctor/node.h", "#include <svcdoctor/ruleset.h>\n", "room node may not use room ruleset"),
    ("lib/report/a.c", '#include "../nat/nat-private.h"\n', "is in another folder"),
    ("lib/report/a.c", '#include "nat-private.h"\n', "is not in this folder"),
    ("lib/report/a.c", "#include <svcdoctor/nat-private.h>\n", "belongs to no room"),
    ("lib/node/a.c", '#include "other.h"\n', "must be called *-private.h"),
    ("lib/source/b.c", "#  include <archive.h>\n", "libarchive is included by 2 source files"),
    ("lib/nat/a.c", "#include <jansson.h>\n", "room nat reads and writes no JSON"),
    ("lib/verify/a.c", "#include <time.h>\n", "reads no clock"),
    ("lib/expect/a.c", "void f(void) { printf(\"x\"); }\n", "but calls printf"),
    ("lib/ruleset/a.c", "/* KUBE-SVC */\n", "knows no chain names"),
    ("lib/k8s/a.c", "void f(char *a) { strcpy (a, a); }\n", "calls strcpy"),
    ("lib/odd/a.c", "", "lies in no room"),
    ("lib/a.c", "", "lies in no room"),
    ("include/svcdoctor/base.h", "#include <yaml.h>\n", "a header includes the outside library libyaml"),
]


def write_tree(tree, files):
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(tree, path)), exist_ok=True)
        with open(os.path.join(tree, path), "w", encoding="utf-8") as f:
            f.write(SPDX + text)


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as tree:
        write_tree(tree, GOOD)
        found, _ = check(tree)
        failures += [f"the good tree is refused: {f}" for f in found]
    for path, text, want in BAD:
        with tempfile.TemporaryDirectory() as tree:
            write_tree(tree, {**GOOD, path: text})
            found, _ = check(tree)
            if not any(want in why for _, _, why in found):
                failures.append(f"{path} with {text!r} is not refused ({want}): {found}")
    with tempfile.TemporaryDirectory() as tree:
        if not check(tree)[0]:
            failures.append("an empty tree passes")
    return failures


def main():
    tree = sys.argv[1] if len(sys.argv) > 1 else "."
    failures = self_test()
    for why in failures:
        print(f"not ok self-test: {why}")
    if not failures:
        print("ok self-test")
    found, count = check(tree)
    for path, line, why in found:
        print(f"not ok {path}:{line}: {why}")
    if not found:
        print(f"ok rooms: {count} files")
    return 1 if found or failures else 0


if __name__ == "__main__":
    sys.exit(main())
