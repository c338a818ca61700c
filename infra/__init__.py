"""The templates of a deployment: what an account holds, how big it is and how it is protected, per environment.

`environments` holds every difference between dev, staging and prod, `stage` puts the stacks of one of them together,
`stacks` are thin, `constructs` hold one capability each. Names come from `router_core.deployment`, steps from
`router_core.stages`; nothing else of the product is imported here.
"""

import os

# Before the first import of the CDK: its runtime prints a page about the age of Node on every start.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
