"""Training computes what it should: against numpy in float64, on small data."""
import numpy as np
import pytest
from numpy_net import Net, Recipe, read_images, train
from runs import LINEAR, MIXED, NORMS, ODD, PAPER, SMALL, Run, averaging_rules, differences, largest_error, \
    random_weights, write_images, write_model

# float32 rounds by 6e-8; sums of some hundred products and up to fifty steps make 1e-6 to 3e-6 of it here, and
# the runs are too short for chaos.  A wrong image, weight or step shows as 1e-3 or more.
CLOSE = 3e-5


def check_run(run, net, history, pictures):
    """Weights, and every number of every round, against what numpy has."""
    assert largest_error(run.weights, history.rounds[-1]) < (CLOSE, "")
    workers = slice(1, None) if run["machine/rank"].size > 1 else slice(None)
    assert np.array_equal(run["rounds/ranks/images"][:, workers], history.images)
    assert np.array_equal(run["rounds/ranks/steps"][:, workers], history.steps)
    np.testing.assert_allclose(run["rounds/ranks/loss"][:, workers], history.loss, rtol=CLOSE)
    np.testing.assert_allclose(run["rounds/loss"], history.mean(history.loss), rtol=CLOSE)
    np.testing.assert_allclose(run["rounds/lr"], history.lr, rtol=1e-12)
    hits = history.mean(history.accuracy) * history.images.sum(axis=1)
    assert abs(run["rounds/accuracy"] * run["rounds/images"] - hits).max() < 1.1  # a tie may fall either way
    check_tests(run, net, history, *read_images(pictures, "test"))


def check_tests(run, net, history, x, labels):
    rounds = np.flatnonzero(~np.isnan(run["test/loss"]))
    assert rounds[-1] == run.n_done - 1
    for r in rounds:
        loss, accuracy, confusion = net.evaluate(history.rounds[r], x, labels)
        assert run["test/loss"][r] == pytest.approx(loss, rel=CLOSE)
        assert run["test/accuracy"][r] == pytest.approx(accuracy, abs=1.1 / len(x))
    assert abs(run["test/confusion"] - confusion).sum() <= 2


# name: net, shards, recipe
CASES = {
    "batch 1": (SMALL, [11], Recipe(batch=1, rounds=2, lr=0.01)),
    "batch 1, one image": (SMALL, [1], Recipe(batch=1, rounds=3, lr=0.01)),
    "batch 5": (ODD, [52], Recipe(batch=5, rounds=2, lr=0.02)),
    "batch 8": (ODD, [64], Recipe(batch=8, rounds=2, lr=0.02)),
    "batch 32": (PAPER, [97], Recipe(batch=32, rounds=3, lr=0.02)),
    "batch 33": (PAPER, [67, 33], Recipe(batch=33, rounds=3, lr=0.02)),
    "batch 33, odd net": (ODD, [33, 70, 7], Recipe(batch=33, rounds=2, lr=0.05)),
    "one layer": (LINEAR, [50, 31], Recipe(batch=8, rounds=3, lr=0.005)),
    "branches, dropout": (MIXED, [45, 33], Recipe(batch=16, rounds=3, lr=0.02, seed=5)),
    "fewer images than a batch": (SMALL, [3, 40, 1], Recipe(batch=8, rounds=4, lr=0.02)),
    "no momentum": (SMALL, [33, 12], Recipe(batch=8, rounds=3, lr=0.1, momentum=0)),
    "momentum kept": (SMALL, [30, 21], Recipe(batch=8, rounds=4, lr=0.02, keep_momentum=True)),
    "nesterov": (SMALL, [30, 21], Recipe(batch=8, rounds=3, lr=0.02, nesterov=True)),
    "all of SGD": (PAPER, [40, 21], Recipe(batch=8, rounds=3, lr=0.01, nesterov=True, keep_momentum=True,
                                           weight_decay=0.05)),
    "weight decay": (SMALL, [30, 21], Recipe(batch=8, rounds=3, lr=0.02, weight_decay=0.1)),
    "linear": (SMALL, [33, 20], Recipe(batch=8, rounds=4, lr=0.05, schedule="linear")),
    "linear, half a round's warm-up": (SMALL, [43, 20], Recipe(batch=8, rounds=4, lr=0.05, schedule="linear",
                                                               warmup=0.5)),
    "cosine, warm-up": (SMALL, [33, 20], Recipe(batch=8, rounds=4, lr=0.05, schedule="cosine", warmup=1.3)),
    "nothing but warm-up": (SMALL, [33], Recipe(batch=8, rounds=2, lr=0.05, schedule="linear", warmup=2)),
    "unfinished warm-up": (SMALL, [33], Recipe(batch=8, rounds=2, lr=0.05, warmup=5)),
    "steps past the end of a shard": (SMALL, [20, 7], Recipe(batch=8, rounds=4, lr=0.02, local_steps=5)),
    "one step a round": (SMALL, [20, 9], Recipe(batch=8, rounds=7, lr=0.02, local_steps=1, keep_momentum=True)),
    "two epochs a round": (SMALL, [25, 14], Recipe(batch=8, rounds=3, lr=0.02, local_epochs=2)),
    "averages inside": (SMALL, [33, 50], Recipe(batch=8, rounds=3, lr=0.02, average_every=2)),
    "averages inside, after each step": (SMALL, [40, 9, 25], Recipe(batch=8, rounds=2, lr=0.02, average_every=1,
                                                                    keep_momentum=True)),
    "averages inside, counted steps": (SMALL, [20, 33], Recipe(batch=8, rounds=2, lr=0.02, local_steps=7,
                                                               average_every=3)),
    "mean of the last averages": (SMALL, [40, 33], Recipe(batch=8, rounds=3, lr=0.05, average_every=1,
                                                          tail_average=0.5, keep_momentum=True)),
    "norms": (NORMS, [70], Recipe(batch=10, rounds=2, lr=0.05)),
    "norms, averaged": (NORMS, [40, 32, 16], Recipe(batch=8, rounds=3, lr=0.05, average_every=2)),
    "norms, server's momentum": (NORMS, [40, 32], Recipe(batch=8, rounds=2, lr=0.05, average_every=2,
                                                         server_optimizer="momentum", server_lr=0.5)),
    "norms, measured anew": (NORMS, [40, 64], Recipe(batch=8, rounds=2, lr=0.05, average_every=2, reestimate=75)),
    "norms, mean of the last averages": (NORMS, [40, 32], Recipe(batch=8, rounds=2, lr=0.05, average_every=1,
                                                                 tail_average=0.5)),
    "mean of all averages": (SMALL, [40], Recipe(batch=8, rounds=2, lr=0.05, average_every=2, tail_average=1)),
}


@pytest.mark.parametrize("case", CASES)
def test_against_numpy(bramble, pictures, tmp_path, case):
    text, shards, recipe = CASES[case]
    rules = averaging_rules()
    rule = rules[list(CASES).index(case) % len(rules)]
    start, net, w = write_model(tmp_path, text)
    ranks = len(shards) + 1 if len(shards) > 1 else 1
    run = Run(bramble.train(ranks, "--data", pictures, *start, "--shards", ",".join(map(str, shards)),
                            "--average", rule, "--threads", 1, *recipe.arguments()))
    check_run(run, net, train(net, w, *read_images(pictures), shards, recipe), pictures)


def test_every_rule_against_numpy(bramble, pictures, tmp_path):
    shards, recipe = [50, 3, 28], Recipe(batch=8, rounds=2, lr=0.02, average_every=3)
    start, net, w = write_model(tmp_path, PAPER)
    history = train(net, w, *read_images(pictures), shards, recipe)
    for rule in averaging_rules():
        run = Run(bramble.train(4, "--data", pictures, *start, "--shards", "50,3,28", "--average", rule,
                                *recipe.arguments(), out=f"{rule}.h5"))
        check_run(run, net, history, pictures)


@pytest.mark.parametrize("n_train, n_workers", [(20, 3), (3, 3), (17, 2)])
def test_even_shards(bramble, pictures, tmp_path, n_train, n_workers):
    """Without --shards all have equally many, to one image, and together exactly the first n_train."""
    recipe = Recipe(batch=5, rounds=2, lr=0.02)
    start, net, w = write_model(tmp_path, SMALL)
    run = Run(bramble.train(n_workers + 1, "--data", pictures, *start, "--limit-train", n_train,
                            *recipe.arguments()))
    shards = run["rounds/ranks/images"][0, 1:].astype(int)
    assert shards.sum() == n_train and shards.max() - shards.min() <= 1
    check_run(run, net, train(net, w, *read_images(pictures), list(shards), recipe), pictures)


@pytest.mark.parametrize("n_workers", [2, 3, 4])
def test_workers_share_a_batch(bramble, tmp_path, pictures, n_workers):
    """N workers x batch B/N x one local step of plain SGD is one worker x batch B, to rounding."""
    batch, n_batches = 24, 4
    part = batch // n_workers
    raw = np.concatenate([np.fromfile(pictures / f"data_batch_{k}.bin", np.uint8) for k in (1, 2)])
    raw = raw.reshape(-1, 3073)[:batch * n_batches]
    # Worker k's shard: its part of every batch.
    order = np.arange(len(raw)).reshape(n_batches, n_workers, part).transpose(1, 0, 2).ravel()
    for folder, chosen in (("one", raw), ("many", raw[order])):
        write_images(tmp_path / folder, chosen[:, 1:], chosen[:, 0])
        write_images(tmp_path / folder, raw[:10, 1:], raw[:10, 0], "test")
    start, *_ = write_model(tmp_path, PAPER)
    options = [*start, "--momentum", "0", "--lr", "0.1", "--local-steps", 1, "--rounds", 2 * n_batches,
               "--order", "sequential", "--threads", 1]
    one = Run(bramble.train(1, "--data", "one", "--batch", batch, *options, out="one.h5"))
    many = Run(bramble.train(n_workers + 1, "--data", "many", "--batch", part, *options, out="many.h5"))
    assert largest_error(many.weights, one.weights) < (CLOSE, "")
    np.testing.assert_allclose(many["rounds/loss"], one["rounds/loss"], rtol=CLOSE)


# ---- the order of the images ------------------------------------------------------------------------------


def losses_one_by_one(bramble, pictures, tmp_path, order, seed=1, epochs=2):
    """[epoch][worker][image]: with a learning rate of 0 the loss of a batch of one tells which image it was."""
    n_images, workers = 40, 2
    start, *_ = write_model(tmp_path, SMALL)
    run = Run(bramble.train(workers + 1, "--data", pictures, *start, "--limit-train", n_images * workers,
                            "--lr", 0, "--batch", 1, "--local-steps", 1, "--rounds", n_images * epochs,
                            "--order", order, "--deal", "contiguous", "--seed", seed, "--eval-every", 1000, "--force"))
    return run["rounds/ranks/loss"][:, 1:].reshape(epochs, n_images, workers).transpose(0, 2, 1)


def test_shuffled_epochs_have_every_image_once(bramble, pictures, tmp_path):
    in_order = losses_one_by_one(bramble, pictures, tmp_path, "sequential")
    assert np.array_equal(in_order[0], in_order[1])
    for worker in in_order[0]:
        assert len(set(worker)) == worker.size, "images that cannot be told apart prove nothing"
    shuffled = losses_one_by_one(bramble, pictures, tmp_path, "shuffle")
    assert np.array_equal(np.sort(shuffled), np.sort(in_order))
    orders = np.concatenate([shuffled.argsort().argsort().reshape(4, -1),
                             in_order.argsort().argsort()[0]])
    assert len(np.unique(orders, axis=0)) == 6, "every worker and epoch has an order of its own"


def test_order_follows_from_the_seed(bramble, pictures, tmp_path):
    first = losses_one_by_one(bramble, pictures, tmp_path, "shuffle", seed=7)
    again = losses_one_by_one(bramble, pictures, tmp_path, "shuffle", seed=7)
    other = losses_one_by_one(bramble, pictures, tmp_path, "shuffle", seed=8)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_shuffle_is_the_default_and_repeatable(bramble, pictures):
    options = ["--data", pictures, "--limit-train", 100, "--batch", 8, "--rounds", 2, "--lr", 0.02]
    runs = [Run(bramble.train(3, *options, *order, out=f"{k}.h5"))
            for k, order in enumerate(([], ["--order", "shuffle"], ["--order", "sequential"]))]
    assert differences(runs[0], runs[1]) == []
    assert "conv1.weight" in differences(runs[0], runs[2])


# ---- first weights ----------------------------------------------------------------------------------------


def test_first_weights(bramble, pictures, tmp_path):
    """As PyTorch draws them: uniform within 1 / sqrt(fan_in), weights and biases, another draw per seed."""
    drawn = [Run(bramble.train(1, "--data", pictures, "--limit-train", 8, "--rounds", 1, "--lr", 0, "--seed", seed,
                               "--threads", 1, out=f"{seed}.h5")).weights for seed in (1, 2)]
    net = Net(PAPER)
    assert {name: value.shape for name, value in drawn[0].items()} == net.shapes()
    assert sum(value.size for value in drawn[0].values()) == 62006
    for name, value in drawn[0].items():
        fan_in = np.prod(net.shapes()[name.split(".")[0] + ".weight"][1:])
        bound = 1 / np.sqrt(fan_in)
        assert abs(value).max() <= bound
        if value.size > 1000:  # mean, spread and ends as of a uniform distribution
            assert abs(value.mean()) < 4 * bound / np.sqrt(3 * value.size)
            assert value.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
            assert value.max() > 0.99 * bound and value.min() < -0.99 * bound
        assert (value != drawn[1][name]).all()


# ---- the oracle itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [PAPER, SMALL, ODD, LINEAR, MIXED], ids=["paper", "small", "odd", "linear", "mixed"])
def test_numpy_gradients(text):
    """Against the difference quotient along a random direction of every tensor."""
    net, draw = Net(text), np.random.default_rng(3)
    x, labels = draw.uniform(-1, 1, (5, 3, 32, 32)), draw.integers(0, 10, 5)
    w = {name: value.astype(float) for name, value in random_weights(net).items()}
    grads, h = net.gradient(w, x, labels)[2], 1e-7
    for name, g in grads.items():
        direction = draw.normal(size=g.shape)
        ends = [net.gradient({**w, name: w[name] + s * h * direction}, x, labels)[0] / len(x) for s in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx((g * direction).sum(), rel=1e-4, abs=1e-7)
