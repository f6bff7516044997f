"""The rules of a site document at work: which listen, which hold, what they do."""
