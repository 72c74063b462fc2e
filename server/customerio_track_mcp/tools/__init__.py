"""The three tools: schemas, arguments, handlers, and the text of their failures."""
