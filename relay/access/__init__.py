"""Who may use the console: people, their sessions, what each role may do, and the first account."""
