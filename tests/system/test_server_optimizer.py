"""Server optimizers: what everyone goes on from after an average, against numpy (test_checkpoint.py: resumed)."""
import pytest
from numpy_net import Recipe, read_images, train
from runs import SMALL, Run, largest_error, write_model

# adaptive steps divide by roots of squares near tau, which makes more of float32's rounding
CASES = {
    "momentum": Recipe(server_optimizer="momentum", server_momentum=0.5),
    "nesterov": Recipe(server_optimizer="nesterov", average_every=2),
    "adam": Recipe(server_optimizer="adam", server_lr=0.01),
    "adam-paper": Recipe(server_optimizer="adam-paper", server_lr=0.01, average_every=3),
    "yogi": Recipe(server_optimizer="yogi", server_beta2=0.9, server_tau=0.01),
    "adagrad": Recipe(server_optimizer="adagrad", server_lr=0.01),
}


def recipe_of(case):
    recipe = CASES[case]
    recipe.batch, recipe.rounds, recipe.lr = 8, 4, 0.02
    return recipe


@pytest.mark.parametrize("case", CASES)
def test_against_numpy(bramble, pictures, tmp_path, case):
    shards, recipe = [33, 21], recipe_of(case)
    start, net, w = write_model(tmp_path, SMALL)
    run = Run(bramble.train(3, "--data", pictures, *start, "--shards", "33,21", *recipe.arguments()))
    history = train(net, w, *read_images(pictures), shards, recipe)
    error, where = largest_error(run.weights, history.rounds[-1])
    assert error < 2e-4, where
    plain = train(net, w, *read_images(pictures), shards, Recipe(batch=8, rounds=4, lr=0.02, average_every=recipe.average_every))
    assert largest_error(history.rounds[-1], plain.rounds[-1])[0] > 5e-3, "the case would not tell"


def test_the_rate_of_its_own_is_in_the_file(bramble, pictures, tmp_path):
    start, *_ = write_model(tmp_path, SMALL)
    run = Run(bramble.train(1, "--data", pictures, *start, "--limit-train", 8, "--rounds", 1, "--server-optimizer", "yogi"))
    assert float(run.config["server-lr"]) == 0.01
