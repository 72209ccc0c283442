-- The positions of consumers, and of the deadlines of processes: a row for each, which is updated. Without a row, a consumer
-- starts from the last Recorded message of its position stream, such as account:position-welcome, if there is one.

CREATE TABLE IF NOT EXISTS eventfold.positions (
  -- The category that the consumer reads; $all when it reads several or everything.
  category text NOT NULL,
  consumer_id text NOT NULL,
  -- The member of a consumer group, from 0; -1 without a group.
  member integer NOT NULL CHECK (member >= -1),
  -- The low-water mark, inclusive: everything up to this global position has been handled.
  "position" bigint NOT NULL,
  -- The size of the group; null without a group.
  group_size integer CHECK (group_size > 0),
  updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (category, consumer_id, member)
) WITH (fillfactor = 50); -- No index has what an update changes; with room on the page, the row stays there.
