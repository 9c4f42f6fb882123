"""A run's figures as matplotlib axes, for papers (``pip install 'superneurons[plot]'``).

Each takes a part of a :class:`~superneurons.report.run.Run` and, if wanted, the axes to draw on;
none changes global settings or pyplot's current figure.
"""

from superneurons.report.axes.agreement import agreement
from superneurons.report.axes.confusion import confusion
from superneurons.report.axes.depth_curves import depth_curves
from superneurons.report.axes.neuron_map import neuron_map
from superneurons.report.axes.reliability import reliability
from superneurons.report.axes.score_distribution import score_distribution
from superneurons.report.axes.tradeoff_front import tradeoff_front

__all__ = [
    "agreement",
    "confusion",
    "depth_curves",
    "neuron_map",
    "reliability",
    "score_distribution",
    "tradeoff_front",
]
