"""A local AWS for tests and for looking around: moto's server, and beside it what moto leaves out.

moto keeps the resources and speaks the wire protocols; this package runs the deployed functions as processes, carries
events to them, serves the deployed HTTP APIs and completes CloudFormation. Nothing in the product imports it. What it
does not show is said in docs/aws-local.md: IAM, quotas, networks, real latency and real cost.
"""
