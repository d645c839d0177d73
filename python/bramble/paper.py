"""The numbers of the study that Bramble follows."""
import pandas as pd

# The study that Bramble follows: PyTorch's tutorial CNN, CIFAR-10, Flower and Docker Swarm on four Raspberry
# Pi 4.  Means of three runs, as printed in its Table 1 (nodes) and Table 2 (cores), but for the speedup of
# 1:2, which is printed as 0.00.  Its own T and W give 0.155 for the O% of 3:6, where 0.18 is printed.
PAPER = pd.DataFrame(
    [("table1", 1, 2, 936.3, 936.3, 1.00, 0.00, 1.00, 0.56),
     ("table1", 2, 4, 478.8, 437.6, 0.91, 0.09, 1.96, 0.55),
     ("table1", 3, 6, 387.0, 327.0, 0.84, 0.18, 2.42, 0.56),
     ("table2", 3, 1, 2205.5, 1856.9, 0.84, 0.16, 1.00, 0.57),
     ("table2", 3, 2, 1247.9, 1086.4, 0.87, 0.13, 1.77, 0.56),
     ("table2", 3, 3, 815.0, 726.8, 0.89, 0.11, 2.71, 0.59),
     ("table2", 3, 4, 628.8, 561.8, 0.89, 0.11, 3.51, 0.58),
     ("table2", 3, 5, 503.2, 453.0, 0.90, 0.10, 4.38, 0.60),
     ("table2", 3, 6, 387.0, 327.0, 0.84, 0.18, 5.70, 0.61)],
    columns=["set", "nodes", "cores", "t_time_s", "w_time_s", "work_fraction", "overhead_fraction", "speedup",
             "accuracy"])
PAPER["case"] = PAPER.nodes.astype(str) + ":" + PAPER.cores.astype(str)
PAPER["o_time_s"] = PAPER.t_time_s - PAPER.w_time_s
PAPER_ACCURACY = (0.57, 0.017)  # mean and standard deviation over all its cases
PAPER_CROSSING = (4, 5)         # nodes at which, extrapolated, overhead overtakes work
