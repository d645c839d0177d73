#!/usr/bin/env python3
"""Train the paper's net with Flower's simulation and PyTorch, to compare with: after every round the seconds and the accuracy.

Prints JSON: version, t_s and accuracy, a number for each round, to the first that comes to the target, if one is given.  As
in Flower's own example for PyTorch: FedAvg, a round is one pass over each client's even shard, the server tests the average.
A client has one thread, and a core of its own while it trains.  A round without a pass, that starts the clients up and has
them load their images, comes before the clock starts; tests are off the clock.
"""
import argparse
import functools
import json
import os
import time

import flwr
import torch
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg

from cifar import tensors
from peer_torch import Net, accuracy, step


def weights_of(net):
    return [value.numpy() for value in net.state_dict().values()]


def set_weights(net, weights):
    net.load_state_dict({name: torch.tensor(value) for name, value in zip(net.state_dict(), weights)})


class Mean(FedAvg):
    """Of all clients; a client that fails ends the run."""

    def __init__(self, n, evaluate, config):
        super().__init__(fraction_evaluate=0.0, min_fit_clients=n, min_available_clients=n, evaluate_fn=evaluate,
                         on_fit_config_fn=config, initial_parameters=ndarrays_to_parameters(weights_of(Net())))

    def aggregate_fit(self, number, results, failures):
        if failures:
            raise RuntimeError(failures[0])
        return super().aggregate_fit(number, results, failures)


def simulate(n, rounds, evaluate, config, client):
    """So many rounds of n clients: evaluate(round, weights, _) after each and before the first; client(k) makes client k, in
    a process that finds the module it is from by its name; what config(round) returns is handed to its fit.
    """
    def server(_):
        return ServerAppComponents(strategy=Mean(n, evaluate, config), config=ServerConfig(num_rounds=rounds))

    def made(context):
        return client(int(context.node_config["partition-id"])).to_client()

    flwr.simulation.run_simulation(server_app=ServerApp(server_fn=server), client_app=flwr.client.ClientApp(client_fn=made),
                                   num_supernodes=n, backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0}})


def begin(**more):
    """Before clients start: where they find these modules, and what else they are told."""
    os.environ.update(PYTHONPATH=os.path.dirname(os.path.abspath(__file__)), RAY_USAGE_STATS_ENABLED="0",
                      FLWR_TELEMETRY_ENABLED="0", **more)


# ---- one pass a round ----------------------------------------------------------------------------


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=os.path.abspath)
    for name, kind in (("clients", int), ("rounds", int), ("batch", int), ("lr", float), ("momentum", float), ("seed", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("images", type=int, nargs="?", help="train on the first so many")
    parser.add_argument("--target", type=float, default=2.0)
    return parser.parse_args()


@functools.cache  # a process keeps the shards of all clients that it has been
def shard(folder, n_images, k, n):
    x, y = tensors(folder, [f"data_batch_{i}.bin" for i in range(1, 6)])
    order = torch.randperm(len(x[:n_images]), generator=torch.Generator().manual_seed(1))[k::n]
    return x[order], y[order]


class Client(flwr.client.NumPyClient):
    def __init__(self, k):
        torch.set_num_threads(1)
        self.told, self.k, self.net = argparse.Namespace(**json.loads(os.environ["PEER_FLOWER"])), k, Net()
        self.x, self.y = shard(self.told.data, self.told.images, k, self.told.clients)

    def fit(self, parameters, config):
        torch.manual_seed(self.told.seed * 10000 + config["round"] * 100 + self.k)
        set_weights(self.net, parameters)
        sgd = torch.optim.SGD(self.net.parameters(), lr=self.told.lr, momentum=self.told.momentum)
        for some in torch.randperm(len(self.x)).split(self.told.batch) if config["train"] else ():
            step(self.net, sgd, self.x[some], self.y[some])
        return weights_of(self.net), len(self.x), {}


def main():
    args = arguments()
    begin(PEER_FLOWER=json.dumps(vars(args)))
    torch.manual_seed(args.seed)
    x, y = tensors(args.data, ["test_batch.bin"])
    net, t_s, accuracies, began = Net(), [], [], 0.0

    def is_there():
        return accuracies != [] and accuracies[-1] >= args.target

    def evaluate(number, weights, _):
        nonlocal began
        now = time.perf_counter()
        if number > 1 and not is_there():
            set_weights(net, weights)
            t_s.append(round((t_s[-1] if t_s else 0.0) + now - began, 4))
            accuracies.append(accuracy(net, x, y))
        began = time.perf_counter()
        return 0.0, {}

    simulate(args.clients, args.rounds + 1, evaluate, lambda number: {"round": number, "train": number > 1 and not is_there()}, Client)
    print(json.dumps(dict(version=f"{flwr.__version__} with PyTorch {torch.__version__.split('+')[0]}", t_s=t_s, accuracy=accuracies)))


if __name__ == "__main__":
    import peer_flower  # by its name, so that clients find what they are made of
    peer_flower.main()
