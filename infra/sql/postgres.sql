-- Warmfeed on PostgreSQL: records which rows changed, so that their cached items are refreshed or evicted.
-- Safe to run again. Run it as the owner of the tables, then for every cached table
--
--   SELECT warmfeed.track('public.countries');           -- by its primary key
--   SELECT warmfeed.untrack('public.countries');         -- ends it
--   SELECT warmfeed.allow('warmfeed_app');               -- the role that the app signs in with
--
-- After a partition was attached, run track again: TRUNCATE of that partition alone would not be noticed before.

CREATE SCHEMA IF NOT EXISTS warmfeed;

CREATE TABLE IF NOT EXISTS warmfeed.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  relation oid NOT NULL,
  -- Texts of the key columns by name; NULL: every row of the table (TRUNCATE).
  key jsonb,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS outbox_by_relation ON warmfeed.outbox (relation, xid);
CREATE INDEX IF NOT EXISTS outbox_by_age ON warmfeed.outbox (at);

-- The newest transaction of each table whose changes have been forgotten.
CREATE TABLE IF NOT EXISTS warmfeed.pruned (
  relation oid PRIMARY KEY,
  xid xid8 NOT NULL
);

-- Texts of some columns of a row by their names. Only those are looked at: what else is in the row may be no JSON.
CREATE OR REPLACE FUNCTION warmfeed.texts_of(names text[]) RETURNS text
  LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'SELECT jsonb_build_object(' || string_agg(format('%L, to_jsonb(($1).%I) #>> ''{}''', name, name), ', ') || ')'
    FROM unnest(names) name
$$;

-- Arguments: the table's oid, then the columns of its primary key. Runs as its owner: whoever may write the table need
-- not know of the outbox.
CREATE OR REPLACE FUNCTION warmfeed.record_row() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root oid := TG_ARGV[0];
  texts text := warmfeed.texts_of(TG_ARGV[1:]);
  old_key jsonb;
  new_key jsonb;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    EXECUTE texts INTO old_key USING OLD;
    INSERT INTO warmfeed.outbox (relation, key) VALUES (root, old_key);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    EXECUTE texts INTO new_key USING NEW;
    IF new_key IS DISTINCT FROM old_key THEN
      INSERT INTO warmfeed.outbox (relation, key) VALUES (root, new_key);
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION warmfeed.record_truncate() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO warmfeed.outbox (relation, key) VALUES (TG_ARGV[0]::oid, NULL);
  RETURN NULL;
END $$;

-- A trigger that is there already is left alone: a new one means that changes may have passed unseen. One that names
-- another table (of a restored dump) or another key is replaced.
CREATE OR REPLACE FUNCTION warmfeed.ensure_trigger(member regclass, name text, timing text, arguments text[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  recorded bytea;
BEGIN
  SELECT string_agg(convert_to(argument, getdatabaseencoding()) || '\x00', '' ORDER BY place) INTO recorded
    FROM unnest(arguments) WITH ORDINALITY a (argument, place);
  IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = member AND tgname = name AND tgargs = recorded) THEN
    RETURN;
  END IF;
  EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', name, member);
  EXECUTE format('CREATE TRIGGER %I AFTER %s EXECUTE FUNCTION %s(%s)', name, format(timing, member),
    replace(name, 'warmfeed_', 'warmfeed.record_'), (SELECT string_agg(quote_literal(a), ', ') FROM unnest(arguments) a));
END $$;

CREATE OR REPLACE FUNCTION warmfeed.track(tracked regclass) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := coalesce(pg_partition_root(tracked), tracked);
  columns text[];
  member regclass;
BEGIN
  SELECT array_agg(a.attname::text ORDER BY k.place) INTO columns
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY k (attnum, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = root AND i.indisprimary AND k.place <= i.indnkeyatts;
  IF columns IS NULL THEN
    RAISE EXCEPTION '% has no primary key, by which its items could be told apart', root;
  END IF;
  PERFORM warmfeed.ensure_trigger(root, 'warmfeed_row', 'INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW',
    root::oid::text || columns);
  -- Also for changes that a replication subscription applies; of partitions too.
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER warmfeed_row', root);
  FOR member IN SELECT root UNION SELECT relid FROM pg_partition_tree(root) LOOP
    PERFORM warmfeed.ensure_trigger(member, 'warmfeed_truncate', 'TRUNCATE ON %s FOR EACH STATEMENT',
      ARRAY[root::oid::text]);
    EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER warmfeed_truncate', member);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION warmfeed.untrack(tracked regclass) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := coalesce(pg_partition_root(tracked), tracked);
  member regclass;
BEGIN
  EXECUTE format('DROP TRIGGER IF EXISTS warmfeed_row ON %s', root);
  FOR member IN SELECT root UNION SELECT relid FROM pg_partition_tree(root) LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS warmfeed_truncate ON %s', member);
  END LOOP;
END $$;

-- Forgets what is older, and remembers that it did. Called by the app.
CREATE OR REPLACE FUNCTION warmfeed.prune(age interval) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  forgotten bigint;
BEGIN
  WITH gone AS (
    DELETE FROM warmfeed.outbox
      WHERE at < clock_timestamp() - age AND xid < pg_snapshot_xmin(pg_current_snapshot())
      RETURNING relation, xid
  ), newest AS (
    INSERT INTO warmfeed.pruned AS p (relation, xid)
      SELECT DISTINCT ON (relation) relation, xid FROM gone ORDER BY relation, xid DESC
      ON CONFLICT (relation) DO UPDATE SET xid = excluded.xid WHERE p.xid < excluded.xid
  )
  SELECT count(*) INTO forgotten FROM gone;
  RETURN forgotten;
END $$;

CREATE OR REPLACE FUNCTION warmfeed.allow(role regrole) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA warmfeed TO %s', role);
  EXECUTE format('GRANT SELECT ON warmfeed.outbox, warmfeed.pruned TO %s', role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION warmfeed.prune(interval) TO %s', role);
END $$;

REVOKE ALL ON FUNCTION warmfeed.prune(interval) FROM PUBLIC;
