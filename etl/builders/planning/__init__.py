"""Say what a build will find, write and take, before it begins.

    plan    make all checks of a build without stopping at the first fault, and estimate its time, disk and memory
    rates   measure how fast this machine builds

May import the modules of `etl.builders` and what lies below it.
"""

from .plan import BuildPlan, CellPlan, plan_build

__all__ = ["BuildPlan", "CellPlan", "plan_build"]
