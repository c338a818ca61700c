"""The router's figures and reasons for agents outside, over the Model Context Protocol on standard input and output."""
