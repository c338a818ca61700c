"""How the routing scorer is fitted and judged: numpy, and pyarrow where tables of judged answers are read. Never on a request's path."""
