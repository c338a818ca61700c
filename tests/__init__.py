"""The tests; a regular package, so that no installed distribution's own `tests` folder can shadow it."""
