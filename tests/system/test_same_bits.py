"""The same bits: for any number of threads, every averaging rule, a repeated run, one rank or two."""
import pytest
from runs import CHANGES, MIXED, NORMS, ODD, PAPER, SMALL, Run, averaging_rules, differences, write_model

# name: ranks, model, options; uneven shards, last batches that fill no vector, momentum over rounds
JOBS = {
    "alone": (1, PAPER, ["--limit-train", 150, "--batch", 32, "--rounds", 3]),
    "alone, odd": (1, ODD, ["--limit-train", 61, "--batch", 5, "--rounds", 3, "--nesterov"]),
    "two workers": (3, PAPER, ["--shards", "97,50", "--batch", 33, "--rounds", 3, "--keep-momentum",
                               "--weight-decay", 0.01, "--schedule", "cosine"]),
    "three workers": (4, ODD, ["--shards", "60,3,29", "--batch", 8, "--rounds", 2, "--average-every", 2]),
    "norms": (3, NORMS, ["--limit-train", 101, "--batch", 20, "--rounds", 2, "--average-every", 2, "--reestimate", 70]),
    "changed images": (3, SMALL, ["--limit-train", 101, "--batch", 40, "--rounds", 2, "--augment", f"{CHANGES},mixup:0.4",
                          "--normalise", "measured"]),
    "branches, dropout": (3, MIXED, ["--shards", "50,19", "--batch", 16, "--rounds", 2]),
}
METHODS = {
    "own norms": (3, NORMS, ["--shards", "52,20", "--batch", 7, "--rounds", 2, "--local-statistics", "--server-optimizer", "nesterov"]),
    "noise": (4, SMALL, ["--shards", "40,3,29", "--batch", 8, "--rounds", 2, "--clip-update", 0.1, "--noise", 0.5]),
}


OF_RANKS = ("rounds/ranks/loss", "rounds/ranks/images", "rounds/ranks/steps")


def start(bramble, pictures, folder, job, *more, out):
    ranks, text, options = {**JOBS, **METHODS}[job]
    model = write_model(folder, text)[0]
    return Run(bramble.train(ranks, "--data", pictures, *model, "--lr", 0.02, *options, *more, out=out))


@pytest.mark.parametrize("job", JOBS)
def test_any_number_of_threads(bramble, pictures, tmp_path, job):
    runs = [start(bramble, pictures, tmp_path, job, "--threads", n, out=f"{n}.h5") for n in (1, 2, 3, 4)]
    for n, run in enumerate(runs, 1):
        assert set(run["machine/threads"][run["machine/is_worker"] == 1]) == {n}
        assert differences(runs[0], run) == []


@pytest.mark.parametrize("job", ["two workers", "three workers", *METHODS])
def test_every_rule(bramble, pictures, tmp_path, job):
    rules = averaging_rules()
    assert {"gather", "reduce", "allreduce"} <= set(rules)
    runs = [start(bramble, pictures, tmp_path, job, "--average", rule, out=f"{rule}.h5") for rule in rules]
    for rule, run in zip(rules, runs):
        assert run.config["average"].decode() == rule
        assert differences(runs[0], run) == []


@pytest.mark.parametrize("more", [(), ("--participation", 0.6, "--keep-momentum")], ids=["all", "some"])
def test_every_size_of_groups(bramble, pictures, more):
    """Five workers in groups of one, two, three, four and a rest, of all, and of what the program chooses."""
    options = ["--data", pictures, *write_model(bramble.folder, ODD)[0], "--limit-train", 70, "--batch", 8, "--rounds", 3, "--lr", 0.02,
               "--threads", 1, *more]
    first = Run(bramble.train(6, *options, out="gather.h5"))
    sent = set()
    for size in (0, 1, 2, 3, 4, 5):
        run = Run(bramble.train(6, *options, "--average", "tree", "--group-size", size, out=f"{size}.h5"))
        assert differences(first, run) == []
        sent.add(tuple(run["rounds/ranks/bytes_sent"][0] > run["rounds/ranks/bytes_sent"][0].min()))
    assert len(sent) == 5  # who leads, and sends more; 0 stands for 3


def test_groups_of_other_workers(bramble, pictures):
    """A checkpoint of a tree goes on with fewer workers than its groups had, to the bits of any rule."""
    options = ["--data", pictures, "--limit-train", 96, "--batch", 8, "--lr", 0.02, "--rounds", 2, "--checkpoint", "c.h5", "--threads", 1]
    bramble.train(6, *options, "--average", "tree", "--group-size", 4, out="tree.h5")
    more = ["--resume", "c.h5", "--rounds", 4, "--checkpoint", "d.h5", "--force"]
    tree, slices = (Run(bramble.train(3, *more, *rule, out=f"{len(rule)}.h5"))
                    for rule in [(), ("--average", "slices")])
    assert tree.config["average"] == b"tree" and tree["rounds/n_done"] == 4 and differences(tree, slices) == []


@pytest.mark.parametrize("job", JOBS)
def test_repeated(bramble, pictures, tmp_path, job):
    first, second = (start(bramble, pictures, tmp_path, job, out=f"{k}.h5") for k in (1, 2))
    assert differences(first, second) == []


@pytest.mark.parametrize("rule", averaging_rules())
@pytest.mark.parametrize("options", [[], ["--average-every", 2, "--keep-momentum"]], ids=["epochs", "inside"])
def test_one_rank_is_a_server_with_one_worker(bramble, pictures, options, rule):
    options = ["--data", pictures, "--limit-train", 101, "--batch", 32, "--rounds", 3, "--lr", 0.02, "--average", rule,
               "--threads", 1, *options]
    alone, two = (Run(bramble.train(ranks, *options, out=f"{ranks}.h5")) for ranks in (1, 2))
    assert differences(alone, two, but=OF_RANKS) == []
    assert (alone["rounds/ranks/loss"][:, 0] == two["rounds/ranks/loss"][:, 1]).all()


def test_another_seed_or_number_of_workers_is_another_run(bramble, pictures):
    """What the comparisons above could not do without: they can fail."""
    options = ["--data", pictures, "--limit-train", 100, "--batch", 32, "--rounds", 2, "--lr", 0.02]
    first = Run(bramble.train(2, *options, out="1.h5"))
    assert "fc3.bias" in differences(first, Run(bramble.train(2, *options, "--seed", 2, out="2.h5")))
    assert "fc3.bias" in differences(first, Run(bramble.train(3, *options, out="3.h5")), but=OF_RANKS)
