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

-- Runs as its owner: whoever may write the table need not know of the outbox.
CREATE OR REPLACE FUNCTION warmfeed.record_row() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root oid := TG_ARGV[0];
  old_key jsonb;
  new_key jsonb;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    old_key := (SELECT jsonb_object_agg(name, to_jsonb(OLD) ->> name) FROM jsonb_array_elements_text(TG_ARGV[1]::jsonb) name);
    INSERT INTO warmfeed.outbox (relation, key) VALUES (root, old_key);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    new_key := (SELECT jsonb_object_agg(name, to_jsonb(NEW) ->> name) FROM jsonb_array_elements_text(TG_ARGV[1]::jsonb) name);
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

CREATE OR REPLACE FUNCTION warmfeed.track(tracked regclass) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := coalesce(pg_partition_root(tracked), tracked);
  columns text;
  member regclass;
BEGIN
  SELECT json_agg(a.attname ORDER BY k.place)::text INTO columns
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY k (attnum, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = root AND i.indisprimary;
  IF columns IS NULL THEN
    RAISE EXCEPTION '% has no primary key, by which its items could be told apart', root;
  END IF;
  -- Not replaced when it is there: another trigger means that changes may have passed unseen.
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = root AND tgname = 'warmfeed_row') THEN
    EXECUTE format('CREATE TRIGGER warmfeed_row AFTER INSERT OR UPDATE OR DELETE ON %s
      FOR EACH ROW EXECUTE FUNCTION warmfeed.record_row(%L, %L)', root, root::oid, columns);
    -- Also for changes that a replication subscription applies.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER warmfeed_row', root);
  END IF;
  FOR member IN SELECT root UNION SELECT relid FROM pg_partition_tree(root) LOOP
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = member AND tgname = 'warmfeed_truncate') THEN
      EXECUTE format('CREATE TRIGGER warmfeed_truncate AFTER TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION warmfeed.record_truncate(%L)', member, root::oid);
      EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER warmfeed_truncate', member);
    END IF;
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
