-- What eventfold adds to Message DB: a schema of its own, so that message_store stays Message DB's interface.

CREATE SCHEMA IF NOT EXISTS eventfold;
