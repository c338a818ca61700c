"""Engines that run a model folder in this process, and the thread that owns one."""
