"""Alembic's entry: runs on the connection that `relay.store.migrate` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from relay.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=context.config.attributes["connection"].dialect.name == "sqlite",
    compare_type=True,
)
context.run_migrations()
