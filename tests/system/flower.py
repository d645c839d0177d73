"""Rounds with the strategies of Flower (package flwr) in place of our average and server optimizer; the rest is numpy_net's.

python flower.py FOLDER: for each case in FOLDER/cases.json, [name, strategy, its settings, recipe, shards], the weights after
all rounds, into FOLDER/NAME.npz.  Run by test_flower.py with a Python that has flwr.
"""
import json
import sys
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import strategy as strategies
from flwr.supercore.task_identity import TaskIdentity
from numpy_net import Net, Recipe, read_images, train


class Nodes:
    """What a strategy asks a cluster: who is there."""

    def __init__(self, n):
        self.n = n

    def get_node_ids(self):
        return list(range(1, self.n + 1))


class Flower:
    def __init__(self, name, settings, n_workers):
        self.strategy, self.nodes, self.round = getattr(strategies, name)(**settings), Nodes(n_workers), 0

    def __call__(self, w, results, images):
        self.round += 1
        sent = ArrayRecord({name: Array(np.asarray(value, np.float32)) for name, value in w.items()})
        asked = sorted(self.strategy.configure_train(self.round, sent, ConfigRecord(), self.nodes),
                       key=lambda message: message.metadata.dst_node_id)
        replies = [Message(RecordDict({"arrays": ArrayRecord({name: Array(np.asarray(value, np.float32)) for name, value in mine.items()}),
                                       "metrics": MetricRecord({"num-examples": int(n)})}), reply_to=message)
                   for message, mine, n in zip(asked, results, images)]
        arrays, _ = self.strategy.aggregate_train(self.round, replies)
        return {name: arrays[name].numpy().astype(float) for name in w}


def main(folder):
    TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1  # messages want to know who sends them
    images = read_images(folder / "images")
    net, first = Net((folder / "net.ini").read_text()), dict(np.load(folder / "first.npz"))
    for name, strategy, settings, recipe, shards in json.loads((folder / "cases.json").read_text()):
        history = train(net, first, *images, shards, Recipe(**recipe), Flower(strategy, settings, len(shards)))
        np.savez(folder / f"{name}.npz", **history.rounds[-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
