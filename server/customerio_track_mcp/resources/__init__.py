"""The resources that hosts can show or give to a model: a guide to the tools, and what this server allows."""
