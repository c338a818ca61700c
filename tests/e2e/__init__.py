"""Tests of the whole program over sockets."""
