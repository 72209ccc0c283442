-- The streams of a category with messages after the last one that note_streams has looked at, each once and in no order; NULL
-- when there are more than `most` such messages. `run` is that of the streams which were noted.
--
-- A notice of a deletion makes no stream. An id is not empty, so a stream with the name of the category is none of its streams.

CREATE OR REPLACE FUNCTION eventfold.unnoted_streams(category text, most bigint, OUT run integer, OUT ids text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, message_store, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
  _through bigint;
  _messages bigint;
BEGIN
  SELECT stream_categories.through, stream_categories.run
  INTO _through, unnoted_streams.run
  FROM eventfold.stream_categories
  WHERE stream_categories.category = unnoted_streams.category
    AND stream_categories.log_file = pg_relation_filepath('message_store.messages');

  SELECT
    sum(streams.messages),
    array_agg(streams.id) FILTER (WHERE streams.has_messages AND streams.id <> '')
  INTO _messages, ids
  FROM (
    SELECT
      substr(page.stream_name, length(unnoted_streams.category) + 2) AS id,
      bool_or(NOT eventfold.is_end(page.type, page.data, page.metadata)) AS has_messages,
      count(*) AS messages
    FROM (
      -- One way for the planner, along messages_category: see get_category_messages.
      SELECT messages.stream_name, messages.type, messages.data, messages.metadata
      FROM message_store.messages
      WHERE (message_store.category(messages.stream_name), messages.global_position)
          > (unnoted_streams.category, coalesce(_through, 0))
        AND message_store.category(messages.stream_name) <= unnoted_streams.category
      ORDER BY message_store.category(messages.stream_name), messages.global_position
      LIMIT unnoted_streams.most + 1
    ) AS page
    GROUP BY page.stream_name
  ) AS streams;

  IF _messages > unnoted_streams.most THEN
    ids := NULL;
  ELSE
    ids := coalesce(ids, '{}');
  END IF;
END;
$$;
