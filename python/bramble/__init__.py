"""Read Bramble's result files, draw them, and take their models elsewhere.

    import bramble
    study = bramble.read_study("results/paper-emulated")    # folders, or files: data frames
    study.runs                                              # a row per file
    study.rounds, study.ranks, study.tests, study.machine
    run = bramble.read_run("results/run.h5")                # one file: weights and confusion matrix too
    bramble.plot_curves(run).savefig("curves.png")
    net = bramble.to_torch(run)                             # a torch.nn.Module with the run's weights

Reading needs h5py, numpy and pandas; drawing matplotlib, and `to_torch` PyTorch, which are loaded when they are used.
"""
from .files import PHASES, Results, Run, case_number, check_files, phases, read_run, read_study
from .net import UnknownLayer, normalise, predict, read_graph, read_test_images, state_dict
from .paper import PAPER, PAPER_ACCURACY, PAPER_CROSSING

__all__ = ["PAPER", "PAPER_ACCURACY", "PAPER_CROSSING", "PHASES", "Results", "Run", "UnknownLayer", "case_number",
           "check_files", "normalise", "phases", "predict", "read_graph", "read_run", "read_study", "read_test_images", "state_dict"]

_LATER: dict[str, str] = {}  # name -> module: matplotlib and PyTorch are loaded when somebody asks for what needs them
for _module, _names in (
        ("look", "BLACK BLUE GREEN HERE ORANGE PHASE_COLOURS PHASE_HATCHES PURPLE RED SKY THEIRS YELLOW label_points style"
                 " whole_ticks"),
        ("figures_study", "plot_accuracy plot_cores plot_crossing plot_efficiency plot_overhead plot_scaling plot_shares"
                       " plot_speedup plot_time"),
        ("figures_overview", "plot_overview plot_peers plot_recipes"),
        ("figures_run", "plot_confusion plot_curves plot_examples plot_filters plot_temperature plot_timeline"),
        ("figures_methods", "plot_labels plot_methods plot_methods_bytes plot_methods_time plot_partitions"),
        ("figures_plan", "NoPlan ask_plan plot_plan plot_plan_parts"),
        ("torch_net", "to_torch")):
    _LATER.update(dict.fromkeys(_names.split(), _module))
__all__ += sorted(_LATER)


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module
    return getattr(import_module("." + _LATER[name], __name__), name)
