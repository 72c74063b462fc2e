"""The prompts that a person chooses in a host, each a procedure for the model to work through with one tool."""
