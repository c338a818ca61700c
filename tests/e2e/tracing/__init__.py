"""A gateway that traces, and a collector that looks at what arrives."""
