"""The append-only record log on disk, and several sinks behind one."""
