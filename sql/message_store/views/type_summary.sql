-- How many messages of each type the store has. The percentage is of all messages in the store.

CREATE OR REPLACE VIEW message_store.type_summary AS
  SELECT
    type,
    count(*) AS message_count,
    round(count(*) * 100 / sum(count(*)) OVER (), 2) AS percent
  FROM message_store.messages
  GROUP BY type
  ORDER BY type;
