"""`/device/*`: what devices that decide for themselves fetch and report."""
