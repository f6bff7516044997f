"""The console: the pages people see, rendered here, that work as plain forms and update themselves where they can."""
