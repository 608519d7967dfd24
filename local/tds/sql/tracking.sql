-- Change tracking. A row trigger writes down what changed; a trigger that fires at the commit gives the transaction its version
-- under a lock that is held until the commit is visible, so versions are in the order of commits. The current version is the
-- highest that is visible, never the sequence's.
CREATE TABLE tds.database (
  guid uuid NOT NULL DEFAULT gen_random_uuid(),
  created timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
  tracking bool NOT NULL DEFAULT false,
  retention int4 NOT NULL DEFAULT 2,
  units text NOT NULL DEFAULT 'days',
  cleanup bool NOT NULL DEFAULT true,
  snapshot bool NOT NULL DEFAULT true
);
INSERT INTO tds.database DEFAULT VALUES;

CREATE SEQUENCE tds.versions;
CREATE TABLE tds.commits (xid xid8 PRIMARY KEY, version int8 NOT NULL UNIQUE, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE tds.tracked (
  table_id oid PRIMARY KEY, name text NOT NULL UNIQUE, columns bool NOT NULL, began int8 NOT NULL, cleaned int8 NOT NULL,
  enabled timestamp(3) NOT NULL DEFAULT pg_catalog.timezone('UTC', clock_timestamp())
);
CREATE TABLE tds.truncations (table_id oid NOT NULL, xid xid8 NOT NULL);

CREATE FUNCTION tds.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM tds.commits WHERE xid = pg_current_xact_id()) THEN
    PERFORM pg_advisory_xact_lock(7423);
    INSERT INTO tds.commits (xid, version) VALUES (pg_current_xact_id(), nextval('tds.versions'));
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER stamp AFTER INSERT ON tds.truncations DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION tds.stamp();

CREATE FUNCTION tds.highest() RETURNS int8 LANGUAGE sql STABLE AS $$ SELECT coalesce(max(version), 0) FROM tds.commits $$;
CREATE FUNCTION tds.change_tracking_current_version() RETURNS int8 LANGUAGE sql STABLE AS
  $$ SELECT tds.highest() FROM tds.database WHERE tracking $$;
CREATE FUNCTION tds.min_valid(tds.tracked) RETURNS int8 LANGUAGE sql STABLE AS $$
  SELECT greatest(($1).began, ($1).cleaned, (
    SELECT max(c.version) FROM tds.truncations t JOIN tds.commits c USING (xid) WHERE t.table_id = ($1).table_id)) $$;
CREATE FUNCTION tds.change_tracking_min_valid_version(int4) RETURNS int8 LANGUAGE sql STABLE STRICT AS
  $$ SELECT tds.min_valid(t) FROM tds.tracked t WHERE table_id = $1::oid $$;

CREATE FUNCTION tds.database_tracking(switch bool, days int4, unit text, clean bool) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF switch AND (SELECT tracking FROM tds.database) THEN
    RAISE EXCEPTION '5088|Change tracking is already enabled for database ''%''.', current_database();
  END IF;
  IF NOT switch AND EXISTS (SELECT FROM tds.tracked) THEN
    RAISE EXCEPTION '22115|Change tracking is enabled for one or more tables in database ''%''. Disable it on each table first.', current_database();
  END IF;
  UPDATE tds.database SET tracking = coalesce(switch, tracking), retention = coalesce(days, retention),
    units = coalesce(unit, units), cleanup = coalesce(clean, cleanup);
END $$;
CREATE FUNCTION tds.allow_snapshot(bool) RETURNS void LANGUAGE sql AS $$ UPDATE tds.database SET snapshot = $1 $$;

-- "schema.table" to its oid, by T-SQL's rules for cases.
CREATE FUNCTION tds.relation(text) RETURNS oid LANGUAGE sql STABLE STRICT AS $$
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v') AND n.nspname || '.' || c.relname = pg_catalog.lower($1) $$;

CREATE FUNCTION tds.key_columns(oid) RETURNS TABLE (name text, type text, declaration text) LANGUAGE sql STABLE AS $$
  SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),
    format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation = 0 THEN '' ELSE
      (SELECT format(' COLLATE %I.%I', n.nspname, l.collname) FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
       WHERE l.oid = a.attcollation) END
  FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, position), pg_attribute a
  WHERE i.indrelid = $1 AND i.indisprimary AND a.attrelid = $1 AND a.attnum = k.attnum ORDER BY k.position $$;

CREATE FUNCTION tds.enable_tracking(called text, with_columns bool) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  id oid := tds.relation(called);
  name text := pg_catalog.lower(called);
  keys text; declared text; old_keys text; new_keys text; parameters text; matches text;
BEGIN
  IF id IS NULL THEN RAISE EXCEPTION '4902|Cannot find the object "%" because it does not exist or you do not have permissions.', called; END IF;
  IF NOT (SELECT tracking FROM tds.database) THEN
    RAISE EXCEPTION '22106|Change tracking is not enabled on database ''%''.', current_database();
  END IF;
  IF EXISTS (SELECT FROM tds.tracked WHERE table_id = id) THEN
    RAISE EXCEPTION '4996|Change tracking is already enabled for table ''%''.', called;
  END IF;
  SELECT string_agg(format('%I', k.name), ', '), string_agg(format('%I %s', k.name, declaration), ', '),
    string_agg(format('OLD.%I', k.name), ', '), string_agg(format('NEW.%I', k.name), ', '),
    string_agg(format('%I %s', k.name, k.type), ', '), string_agg(format('l.%I = $%s', k.name, number), ' AND ')
    INTO keys, declared, old_keys, new_keys, parameters, matches
    FROM (SELECT *, row_number() OVER () AS number FROM tds.key_columns(id)) k;
  IF keys IS NULL THEN
    RAISE EXCEPTION '4997|Cannot enable change tracking on table ''%''. Change tracking requires a primary key on the table.', called;
  END IF;
  INSERT INTO tds.tracked VALUES (id, name, with_columns, tds.highest(), 0);
  EXECUTE format('CREATE TABLE tds_ct.%I (tds$id bigint GENERATED ALWAYS AS IDENTITY,
    tds$xid xid8 NOT NULL DEFAULT pg_current_xact_id(), tds$op "char" NOT NULL, %s)', name || '#log', declared);
  EXECUTE format('CREATE FUNCTION tds_ct.%I() RETURNS trigger LANGUAGE plpgsql AS %L', name || '#write', format($f$
    BEGIN
      IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO tds.truncations VALUES (TG_RELID, pg_current_xact_id());
        DELETE FROM tds_ct.%1$I;
      ELSIF TG_OP = 'DELETE' THEN INSERT INTO tds_ct.%1$I (tds$op, %2$s) VALUES ('D', %3$s);
      ELSIF TG_OP = 'INSERT' THEN INSERT INTO tds_ct.%1$I (tds$op, %2$s) VALUES ('I', %4$s);
      ELSIF ROW(%3$s) IS DISTINCT FROM ROW(%4$s) THEN
        INSERT INTO tds_ct.%1$I (tds$op, %2$s) VALUES ('D', %3$s);
        INSERT INTO tds_ct.%1$I (tds$op, %2$s) VALUES ('I', %4$s);
      ELSE INSERT INTO tds_ct.%1$I (tds$op, %2$s) VALUES ('U', %4$s);
      END IF;
      RETURN NULL;
    END $f$, name || '#log', keys, old_keys, new_keys));
  EXECUTE format('CREATE TRIGGER "tds$track" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION tds_ct.%I()',
    id::regclass, name || '#write');
  EXECUTE format('CREATE TRIGGER "tds$truncated" AFTER TRUNCATE ON %s EXECUTE FUNCTION tds_ct.%I()', id::regclass, name || '#write');
  EXECUTE format('CREATE CONSTRAINT TRIGGER "tds$stamp" AFTER INSERT OR UPDATE OR DELETE ON %s DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tds.stamp()', id::regclass);
  EXECUTE format('CREATE FUNCTION tds_ct.%I(int8) RETURNS TABLE (sys_change_version int8, sys_change_creation_version int8,
    sys_change_operation bpchar, sys_change_columns bytea, sys_change_context bytea, %s) LANGUAGE sql STABLE AS %L', name, parameters, format($f$
    SELECT tds$version, tds$creation, CASE WHEN tds$op = 'D' THEN 'D' WHEN tds$creation IS NULL THEN 'U' ELSE 'I' END::bpchar,
      NULL::bytea, NULL::bytea, %2$s
    FROM (
      SELECT DISTINCT ON (%2$s) l.*, c.version AS tds$version,
        max(c.version) FILTER (WHERE tds$op = 'I') OVER (PARTITION BY %2$s) AS tds$creation
      FROM tds_ct.%1$I l JOIN tds.commits c ON c.xid = tds$xid WHERE $1 IS NULL OR c.version > $1
      ORDER BY %2$s, c.version DESC, tds$id DESC
    ) latest $f$, name || '#log', keys));
  EXECUTE format('CREATE FUNCTION tds_ct.%I(%s) RETURNS TABLE (sys_change_version int8, sys_change_context bytea) LANGUAGE sql STABLE AS %L',
    name || '#version', parameters, format('SELECT max(c.version), NULL::bytea FROM tds_ct.%I l JOIN tds.commits c ON c.xid = tds$xid WHERE %s',
    name || '#log', matches));
END $$;

CREATE FUNCTION tds.forget_tracking(called text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE routine regprocedure;
BEGIN
  DELETE FROM tds.tracked WHERE name = called;
  IF NOT FOUND THEN RETURN; END IF;
  FOR routine IN SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'tds_ct' AND p.proname IN (called, called || '#version', called || '#write') LOOP
    EXECUTE format('DROP FUNCTION %s CASCADE', routine);
  END LOOP;
  EXECUTE format('DROP TABLE tds_ct.%I', called || '#log');
END $$;
CREATE FUNCTION tds.disable_tracking(called text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM tds.tracked WHERE name = pg_catalog.lower(called)) THEN
    RAISE EXCEPTION '4998|Change tracking is not enabled on table ''%''.', called;
  END IF;
  EXECUTE format('DROP TRIGGER "tds$stamp" ON %s', tds.relation(called)::regclass);
  PERFORM tds.forget_tracking(pg_catalog.lower(called));
END $$;

-- What the service's cleanup does to changes that are older than the retention: here on command, up to a version.
CREATE FUNCTION tds.clean_up(called text, up_to int8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DELETE FROM tds_ct.%I WHERE tds$xid IN (SELECT xid FROM tds.commits WHERE version <= $1)', pg_catalog.lower(called) || '#log') USING up_to;
  UPDATE tds.tracked SET cleaned = greatest(cleaned, up_to) WHERE name = pg_catalog.lower(called);
END $$;
