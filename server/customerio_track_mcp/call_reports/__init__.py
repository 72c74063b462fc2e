"""Report each tool call to the sandbox that receives its requests, and to nothing else: a report is personal data."""
