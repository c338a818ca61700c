"""Agents that think: a model beside an agent's fast path, asked where it pays, believed only within the hard constraints."""
