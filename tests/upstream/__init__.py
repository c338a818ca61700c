"""A model server that fails on purpose, for tests of everything that talks to one."""
