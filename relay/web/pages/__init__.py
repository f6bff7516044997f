"""One module a page. Each says which routes it answers and which action they need."""
