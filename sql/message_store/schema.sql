-- The schema of Message DB's interface: its table, type and functions, under its names.

CREATE SCHEMA IF NOT EXISTS message_store;
