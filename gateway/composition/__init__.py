"""Where the parts are put together: `root` makes a running gateway of a plan, each other module one family of parts.

Nothing is imported here, so that a host which needs one family does not load the SDKs of the others.
"""
