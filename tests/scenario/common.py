# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scenario tests share: running the program, test lines, copies of bundles, and dumps as lists of rules."""
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(ROOT, "tests", "corpus")
PROGRAM = os.environ.get("SVCDOCTOR", os.path.join(ROOT, "build", "svcdoctor"))
LABS = {"nft": "lab-iptables-nft", "legacy": "lab-iptables-legacy"}
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|stack smashing|buffer overflow detected")


# Runaway memory must fail one test and not the machine; a sanitizer's shadow needs a limit of its own kind (tests/run.sh).
MEMORY_LIMIT = 3 << 30 if os.environ.get("SANITIZE", "") in ("", "0") else None


class Failure(Exception):
    """A test's expectation that did not come true."""


def expect(condition, why):
    if not condition:
        raise Failure(why() if callable(why) else why)


def expect_equal(got, want, what):
    expect(got == want, lambda: f"{what}: expected {short(want)}, got {short(got)}")


def short(value, limit=1500):
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= limit else text[:limit] + "..."


class Result:
    def __init__(self, args, rc, out, err):
        self.args, self.rc, self.out, self.err = args, rc, out, err

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as e:
            raise Failure(f"{self}: stdout is no JSON document ({e}): {short(self.out, 300)!r}; stderr {short(self.err, 300)!r}")

    def __str__(self):
        return "svcdoctor " + " ".join(self.args)


def limit_memory():
    if MEMORY_LIMIT:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def run(*args, codes=None, cwd=None, env=None, prefix=(), stdout=None, timeout=100):
    """Runs the program. It must never die by a signal or a sanitizer; @codes: the exit statuses that are allowed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("SVCDOCTOR_BUNDLE", "NO_COLOR", "KUBECONFIG")}
    environment.update(env or {})
    p = subprocess.run([*prefix, PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE,
                       cwd=cwd or CORPUS, env=environment, timeout=timeout, check=False, preexec_fn=limit_memory)
    r = Result(args, p.returncode, (p.stdout or b"").decode("utf-8", "strict"), p.stderr.decode("utf-8", "strict"))
    expect(r.rc >= 0, f"{r} died by signal {-r.rc}: {short(r.err)}")
    expect(not SANITIZER.search(r.err) and r.rc not in (99, 134, 139), f"{r} exited with {r.rc}: {r.err[:6000]}")
    if codes is not None:
        expect(r.rc in codes, lambda: f"{r} exited with {r.rc}, not {codes}: {short(r.err, 600)}")
    return r


def sh(*args, stdin=None, check=True):
    """Runs another program and returns its output as bytes; OSError when it fails and @check is set."""
    p = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if check and p.returncode != 0:
        raise OSError(f"{' '.join(args)}: {p.stderr.decode(errors='replace').strip()}")
    return p.stdout


# ---- test lines ----

class Tests:
    """Collects tests and prints a line for each; exits 1 when one failed."""

    def __init__(self):
        self.failed = 0

    def run(self, name, test, *args):
        try:
            note = test(*args)
        except Failure as e:
            self.fail(name, str(e))
        except subprocess.TimeoutExpired as e:
            self.fail(name, f"took too long: {e}")
        except Exception:  # pylint: disable=broad-except  # a fault of the test is a failure, too
            self.fail(name, traceback.format_exc())
        else:
            print(f"ok {name}" + (f": {note}" if note else ""), flush=True)

    def fail(self, name, why):
        self.failed += 1
        print(f"not ok {name}: {why.splitlines()[0] if why else 'failed'}")
        for line in why.splitlines()[1:]:
            print(f"    {line}")
        sys.stdout.flush()

    @staticmethod
    def skip(name, why):
        print(f"skip {name}: {why}", flush=True)

    def finish(self):
        sys.exit(1 if self.failed else 0)


# ---- bundles ----

class Copy:
    """A writable copy of a bundle of the corpus, gone at the end of the block; .path keeps the bundle's own name."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="svcdoctor-test-")
        self.path = os.path.join(self.folder.name, self.name)
        shutil.copytree(os.path.join(CORPUS, self.name), self.path, copy_function=shutil.copyfile)
        for folder, _, _ in os.walk(self.path):
            os.chmod(folder, 0o755)
        return self

    def __exit__(self, *exc):
        self.folder.cleanup()

    def file(self, *parts):
        return os.path.join(self.path, *parts)

    def read(self, *parts):
        return read(self.file(*parts))

    def write(self, text, *parts):
        write(text, self.file(*parts))

    def edit(self, change, *parts):
        """Replaces a file's text by change(text), which must differ."""
        before = self.read(*parts)
        after = change(before)
        expect(after != before, f"the damage changed nothing in {'/'.join(parts)}")
        self.write(after, *parts)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(text, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


# ---- iptables-save text ----

COUNTERS = re.compile(r"^\[\d+:\d+\] ")


class Dump:
    """An iptables-save text as its lines, with the rules of one chain to change."""

    def __init__(self, text):
        self.lines = text.split("\n")

    def __str__(self):
        return "\n".join(self.lines)

    def _spans(self):
        table = None
        for i, line in enumerate(self.lines):
            if line.startswith("*"):
                table = line[1:]
            elif line == "COMMIT":
                table = None
            elif table:
                yield i, table, COUNTERS.sub("", line)

    def rules(self, table, chain):
        """[(line number, text without counters)] in order: a rule's position from 1 is its index here + 1."""
        return [(i, text) for i, t, text in self._spans() if t == table and text.startswith(f"-A {chain} ")]

    def find(self, table, chain, *needles):
        """(line number, text, position from 1) of the one rule of a chain that holds every needle."""
        hits = [(i, text, n) for n, (i, text) in enumerate(self.rules(table, chain), 1) if all(x in text for x in needles)]
        expect(len(hits) == 1, f"the dump has {len(hits)} rules with {needles} in {table} {chain}")
        return hits[0]

    def remove(self, table, chain, *needles):
        i, text, _ = self.find(table, chain, *needles)
        del self.lines[i]
        return text

    def replace(self, table, chain, needles, old, new):
        """Changes a rule; (its new text, its position)."""
        i, text, n = self.find(table, chain, *needles)
        expect(old in text, f"{old!r} is not in {text!r}")
        self.lines[i] = self.lines[i].replace(old, new)
        return text.replace(old, new), n

    def insert(self, table, rule, position=None):
        """Adds "-A CHAIN ..." at a position from 1, at the end when None; (its text, its position)."""
        chain = rule.split()[1]
        rules = self.rules(table, chain)
        if position is None or position > len(rules):
            commit = next(i for i in range(self._start(table), len(self.lines)) if self.lines[i] == "COMMIT")
            at = rules[-1][0] + 1 if rules else commit
            position = len(rules) + 1
        else:
            at = rules[position - 1][0]
        counted = any(COUNTERS.match(line) for line in self.lines)
        self.lines.insert(at, ("[0:0] " if counted else "") + rule)
        return rule, position

    def add_chain(self, table, chain):
        self.lines.insert(self._start(table) + 1, f":{chain} - [0:0]")

    def _start(self, table):
        return self.lines.index("*" + table)


def own_chains(text):
    """The chains that a dump declares, the built-in ones left out."""
    return sorted(set(re.findall(r"^:(\S+) - ", text, re.M)))
