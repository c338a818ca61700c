"""The three ways to answer a synchronous request on AWS, side by side: gateway, one function, the stages while it waits."""
