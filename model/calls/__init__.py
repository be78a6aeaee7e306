"""Call the sites of a factor: stretches of bins whose scores promise a false discovery rate.

    call_sites   join bins to sites, from arrays
    narrow_peak  call the sites of a file of predictions, and write them

May import `model.evaluation` and what lies below it.
"""

from .call_sites import Sites, call_sites
from .narrow_peak import call_predictions, calls_lock, calls_path

__all__ = ["Sites", "call_predictions", "call_sites", "calls_lock", "calls_path"]
