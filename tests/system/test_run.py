"""tests/run counts what passed, failed, was skipped or crashed, whichever cmocka says so, and fails when nothing ran."""
import re
import subprocess

import pytest
from conftest import ROOT, WAIT_S

HEAD = """
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
static void good(void **state) { (void)state; }
static void bad(void **state) { (void)state; assert_int_equal(1, 2); }
static void skipped(void **state) { (void)state; skip(); }
static void killed(void **state) { (void)state; raise(SIGKILL); }
static int no_setup(void **state) { (void)state; return -1; }
"""
# What such a program says and its status, as (passed, failed, skipped).
GROUPS = {
    "good": ("good, good", "NULL", (2, 0, 0)),
    "bad": ("good, bad, bad", "NULL", (1, 2, 0)),
    "skipped": ("good, skipped, good", "NULL", (2, 0, 1)),
    "mixed": ("skipped, bad, good", "NULL", (1, 1, 1)),
    "setup": ("good", "no_setup", (0, 1, 0)),
}
SYSTEM = """
import pytest

def test_good():
    pass

@pytest.mark.xdist_group("of some")
@pytest.mark.parametrize("word", ["a b", "c::d/e", "[f]", "g@h"])
def test_skipped(word):
    import os
    if "BRAMBLE_TEST_MORE" not in os.environ:
        pytest.skip("no more")
"""
LONG = """
import os
import pytest

@pytest.mark.long
def test_long():
    assert os.environ["BRAMBLE_TEST_LONG"]
"""
BAD = """
def test_bad():
    assert False
"""


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.c").write_text(text)
    subprocess.run(["cc", f"{name}.c", "-o", f"test_{name}", "-lcmocka"], cwd=folder, check=True, timeout=WAIT_S)


def group(folder, name):
    tests, setup, counts = GROUPS[name]
    listed = ", ".join(f"cmocka_unit_test({test})" for test in tests.split(", "))
    program(folder, name, HEAD + f"""int main(void) {{ const struct CMUnitTest tests[] = {{{listed}}};
        (void)no_setup; (void)good; (void)bad; (void)skipped; (void)killed;
        return cmocka_run_group_tests(tests, {setup}, NULL); }}""")
    return counts


def saying(folder, name, text, status=0):
    """A program that only prints, as another cmocka does."""
    program(folder, name, '#include <stdio.h>\nint main(void) { fputs("%s", stdout); return %d; }'
            % (text.replace("\n", "\\n"), status))


class Trial:
    def __init__(self, folder):
        self.folder, self.units, self.tests = folder, folder / "units", folder / "system"
        self.units.mkdir()
        self.tests.mkdir()

    def run(self, *options, env=None, logs="logs"):
        """(status, passed, failed, skipped) and all that was printed; the closing line is the last."""
        done = subprocess.run([ROOT / "tests/run", "--unit", self.units, "--system", self.tests, "--logs",
                               self.folder / logs, *options], cwd=self.folder, env=env, text=True, timeout=WAIT_S,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        closing = re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", done.stdout.splitlines()[-1])
        assert closing, done.stdout
        return (done.returncode, *(int(n or 0) for n in closing.groups())), done.stdout


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


def test_this_cmocka(trial):
    """Real programs, each on its line and in the sum."""
    wanted = {name: group(trial.units, name) for name in GROUPS}
    counts, text = trial.run()
    for name, each in wanted.items():
        assert re.search(rf"test_{name} +{each[0]} passed, {each[1]} failed, {each[2]} skipped", text), text
    assert counts == (1, *(sum(column) for column in zip(*wanted.values())))
    for name in ("bad", "mixed", "setup"):
        (trial.units / f"test_{name}").unlink()
    assert trial.run()[0] == (0, 4, 0, 1)


@pytest.mark.parametrize("name,text,status,wanted", [
    ("old", "1..3\nok 1 - a\nnot ok 2 # SKIP b\nok 3 - c\n# ok - t\n", 0, (0, 2, 0, 1)),
    ("newer", "TAP version 13\n1..3\nok 1 - a\nok 2 # SKIP b\nok 3 - c\n# ok - t\n", 0, (0, 2, 0, 1)),
    ("error", "1..2\nok 1 - a\nnot ok 2 - b Could not run test: Test setup failed\n", 1, (1, 1, 1, 0)),
    ("group", "1..2\nnot ok 0 - t [  FAILED  ] GROUP SETUP\n# ok - t\n", 1, (1, 0, 1, 0)),
    ("fewer", "1..3\nok 1 - a\nok 2 - b\n", 0, (1, 2, 1, 0)),
    ("status", "1..1\nok 1 - a\n", 3, (1, 1, 1, 0)),
    ("nothing", "", 0, (1, 0, 1, 0)),
    ("none", "1..0\n", 0, (1, 0, 1, 0)),
    ("names", "1..2\nok 1 - not ok # SKIP\nok 2 - # SKIP\n", 0, (0, 2, 0, 0)),
])
def test_what_a_cmocka_may_say(trial, name, text, status, wanted):
    saying(trial.units, name, text, status)
    assert trial.run()[0] == wanted


def test_crash(trial):
    """Told, whatever was well or bad until then; a program that cannot be started, too."""
    program(trial.units, "killed", HEAD + """int main(void) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(killed)};
        (void)no_setup; (void)skipped; setvbuf(stdout, NULL, _IONBF, 0);
        return cmocka_run_group_tests(tests, NULL, NULL); }""")
    assert trial.run()[0] == (1, 1, 2, 0)
    (trial.units / "test_killed").write_text("no program")
    assert trial.run()[0] == (1, 0, 1, 0)


def test_system_tests(trial):
    (trial.tests / "test_some.py").write_text(SYSTEM)
    assert trial.run()[0] == (0, 1, 0, 4)
    (trial.tests / "test_bad.py").write_text(BAD)
    assert trial.run()[0] == (1, 1, 1, 4)
    (trial.tests / "test_bad.py").write_text("no python")
    assert trial.run()[0][0] == 1


def test_nothing_ran(trial):
    assert trial.run()[0] == (1, 0, 1, 0)
    (trial.tests / "test_some.py").write_text(SYSTEM)
    assert trial.run("-k", "nonesuch")[0] == (1, 0, 1, 0)
    assert trial.run("-k", "skipped")[0] == (1, 0, 1, 4)


def test_only_what_was_skipped(trial):
    """With the logs of an earlier run: its skipped tests and the programs that have some, nothing else."""
    for name in ("good", "skipped"):
        group(trial.units, name)
    (trial.tests / "test_some.py").write_text(SYSTEM)
    first, _ = trial.run()
    assert first == (0, 5, 0, 5)
    counts, text = trial.run("--skipped", trial.folder / "logs", logs="more", env={"BRAMBLE_TEST_MORE": "1"})
    assert counts == (0, 6, 0, 1) and "test_good" not in text
    (trial.tests / "test_some.py").write_text(SYSTEM.replace("test_skipped", "test_renamed"))
    assert trial.run("--skipped", trial.folder / "logs", logs="more")[0] == (1, 2, 1, 1)


def test_only_what_takes_minutes(trial):
    group(trial.units, "good")
    for name, text in (("some", SYSTEM), ("long", LONG)):
        (trial.tests / f"test_{name}.py").write_text(text)
    assert trial.run("--long")[0] == (0, 1, 0, 0)
