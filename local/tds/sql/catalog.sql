-- What T-SQL tells of the database: functions, and the views of sys and INFORMATION_SCHEMA that a client of tables needs.
CREATE FUNCTION tds.name_of(text) RETURNS bpchar LANGUAGE sql IMMUTABLE AS $$ SELECT $1::bpchar $$;
CREATE FUNCTION tds.declared(oid, int2, text) RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT CASE WHEN d LIKE '{%' THEN d::json ->> $3 END FROM (SELECT CASE WHEN $2 = 0 THEN obj_description($1, 'pg_class') ELSE col_description($1, $2) END) AS c(d) $$;
CREATE FUNCTION tds.table_name(oid) RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT coalesce(tds.declared($1, 0::int2, 'name'), relname) FROM pg_class WHERE oid = $1 $$;

CREATE FUNCTION tds.db_name(int4 DEFAULT 5) RETURNS bpchar LANGUAGE sql STABLE AS $$ SELECT current_database()::bpchar WHERE $1 = 5 $$;
CREATE FUNCTION tds.db_id(bpchar DEFAULT NULL) RETURNS int4 LANGUAGE sql STABLE AS
  $$ SELECT 5 WHERE $1 IS NULL OR pg_catalog.lower(concat($1)) = pg_catalog.lower(current_database()) $$;
CREATE FUNCTION tds.schema_id(bpchar DEFAULT 'dbo') RETURNS int4 LANGUAGE sql STABLE AS
  $$ SELECT oid::int4 FROM pg_namespace WHERE nspname = pg_catalog.lower(concat($1)) $$;
CREATE FUNCTION tds.schema_name(int4 DEFAULT NULL) RETURNS bpchar LANGUAGE sql STABLE AS
  $$ SELECT CASE WHEN $1 IS NULL THEN 'dbo' ELSE (SELECT nspname FROM pg_namespace WHERE oid = $1::oid) END::bpchar $$;
CREATE FUNCTION tds.object_id(bpchar, bpchar DEFAULT 'U') RETURNS int4 LANGUAGE plpgsql STABLE AS $$
DECLARE
  parts text[] := ARRAY(SELECT regexp_replace(m[1], '^[\["]|[\]"]$', '', 'g') FROM regexp_matches(concat($1), '(\[[^\]]+\]|"[^"]+"|[^.\[\]"]+)', 'g') m);
  many int := cardinality(parts);
BEGIN
  IF pg_catalog.upper(concat($2)) NOT IN ('U', 'V') OR many > 3 THEN RETURN NULL; END IF;
  IF many = 3 AND pg_catalog.lower(parts[1]) <> pg_catalog.lower(current_database()) THEN RETURN NULL; END IF;
  RETURN tds.relation(coalesce(parts[many - 1], 'dbo') || '.' || parts[many])::int4;
END $$;
CREATE FUNCTION tds.object_name(int4) RETURNS bpchar LANGUAGE sql STABLE AS $$ SELECT tds.table_name($1::oid)::bpchar $$;
CREATE FUNCTION tds.col_name(int4, int4) RETURNS bpchar LANGUAGE sql STABLE AS
  $$ SELECT coalesce(tds.declared($1::oid, $2::int2, 'name'), attname)::bpchar FROM pg_attribute WHERE attrelid = $1::oid AND attnum = $2 $$;
CREATE FUNCTION tds.suser_sname() RETURNS bpchar LANGUAGE sql STABLE AS $$ SELECT current_setting('tds.login')::bpchar $$;
CREATE FUNCTION tds.original_login() RETURNS bpchar LANGUAGE sql STABLE AS $$ SELECT current_setting('tds.login')::bpchar $$;
CREATE FUNCTION tds.serverproperty(bpchar) RETURNS bpchar LANGUAGE sql STABLE AS $$
  SELECT CASE pg_catalog.lower(concat($1)) WHEN 'productversion' THEN '16.0.0.0' WHEN 'edition' THEN 'Warmfeed emulator'
    WHEN 'engineedition' THEN '5' WHEN 'servername' THEN 'warmfeed-emulator' WHEN 'collation' THEN 'SQL_Latin1_General_CP1_CI_AS' END::bpchar $$;
CREATE FUNCTION tds.databasepropertyex(bpchar, bpchar) RETURNS bpchar LANGUAGE sql STABLE AS $$
  SELECT CASE pg_catalog.lower(concat($2)) WHEN 'collation' THEN 'SQL_Latin1_General_CP1_CI_AS' WHEN 'status' THEN 'ONLINE'
    WHEN 'updateability' THEN 'READ_WRITE' WHEN 'edition' THEN 'Warmfeed emulator' END::bpchar WHERE tds.db_id($1) IS NOT NULL $$;
CREATE FUNCTION tds.objectproperty(int4, bpchar) RETURNS int4 LANGUAGE sql STABLE AS $$
  SELECT CASE pg_catalog.lower(concat($2)) WHEN 'istable' THEN 1 WHEN 'isusertable' THEN 1
    WHEN 'tablehasprimarykey' THEN EXISTS (SELECT FROM pg_index WHERE indrelid = $1::oid AND indisprimary)::int4 END
  FROM pg_class WHERE oid = $1::oid AND relkind = 'r' $$;

CREATE VIEW tds.user_tables AS
  SELECT c.oid, c.relnamespace, tds.table_name(c.oid) AS name, n.nspname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND n.nspname NOT IN ('tds', 'tds_ct', 'sys', 'tds_information_schema', 'public', 'information_schema')
    AND n.nspname NOT LIKE 'pg\_%';

-- The declared type, taken apart: nvarchar(50), decimal(10,2).
CREATE VIEW tds.user_columns AS
  SELECT t.oid AS table_id, t.name AS table_name, t.nspname, a.attnum, a.attnotnull, a.attidentity, a.atthasdef,
    coalesce(tds.declared(t.oid, a.attnum, 'name'), a.attname) AS name, tds.declared(t.oid, a.attnum, 'collation') AS "collation",
    split_part(tds.declared(t.oid, a.attnum, 'type'), '(', 1) AS type,
    CASE WHEN tds.declared(t.oid, a.attnum, 'type') LIKE '%(max)' THEN -1
      ELSE (regexp_match(tds.declared(t.oid, a.attnum, 'type'), '\((\d+)'))[1]::int4 END AS first,
    (regexp_match(tds.declared(t.oid, a.attnum, 'type'), ',(\d+)'))[1]::int4 AS second
  FROM tds.user_tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped;

CREATE VIEW sys.types AS SELECT v.name::bpchar COLLATE tds.ci AS name, v.id::int4 AS system_type_id, v.id::int4 AS user_type_id,
    v.length::int4 AS max_length, v.precision::int4 AS precision, v.scale::int4 AS scale, false AS is_user_defined
  FROM (VALUES ('bigint', 127, 8, 19, 0), ('int', 56, 4, 10, 0), ('smallint', 52, 2, 5, 0), ('tinyint', 48, 1, 3, 0), ('bit', 104, 1, 1, 0),
    ('decimal', 106, 17, 38, 38), ('numeric', 108, 17, 38, 38), ('money', 60, 8, 19, 4), ('float', 62, 8, 53, 0), ('real', 59, 4, 24, 0),
    ('date', 40, 3, 10, 0), ('time', 41, 5, 16, 7), ('datetime', 61, 8, 23, 3), ('datetime2', 42, 8, 27, 7), ('datetimeoffset', 43, 10, 34, 7),
    ('uniqueidentifier', 36, 16, 0, 0), ('char', 175, 8000, 0, 0), ('varchar', 167, 8000, 0, 0), ('nchar', 239, 8000, 0, 0),
    ('nvarchar', 231, 8000, 0, 0), ('binary', 173, 8000, 0, 0), ('varbinary', 165, 8000, 0, 0), ('timestamp', 189, 8, 0, 0)) v(name, id, length, precision, scale);

CREATE VIEW sys.schemas AS SELECT nspname::bpchar COLLATE tds.ci AS name, oid::int4 AS schema_id FROM pg_namespace
  WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('tds', 'tds_ct', 'public', 'tds_information_schema');
CREATE VIEW sys.objects AS SELECT name::bpchar COLLATE tds.ci AS name, oid::int4 AS object_id, relnamespace::int4 AS schema_id,
    'U'::bpchar COLLATE tds.ci AS type, 'USER_TABLE'::bpchar COLLATE tds.ci AS type_desc, false AS is_ms_shipped FROM tds.user_tables;
CREATE VIEW sys.tables AS SELECT * FROM sys.objects;
CREATE VIEW sys.columns AS SELECT c.table_id::int4 AS object_id, c.name::bpchar COLLATE tds.ci AS name, c.attnum::int4 AS column_id,
    t.system_type_id, t.user_type_id,
    CASE WHEN c.first = -1 THEN -1 WHEN c.type IN ('nchar', 'nvarchar') THEN c.first * 2 WHEN c.type IN ('char', 'varchar', 'binary', 'varbinary') THEN c.first
      ELSE t.max_length END AS max_length,
    CASE WHEN c.type IN ('decimal', 'numeric') THEN c.first ELSE t.precision END AS precision,
    CASE WHEN c.type IN ('decimal', 'numeric') THEN coalesce(c.second, 0) WHEN c.type IN ('time', 'datetime2', 'datetimeoffset') THEN c.first ELSE t.scale END AS scale,
    c."collation"::bpchar COLLATE tds.ci AS collation_name, NOT c.attnotnull AS is_nullable, c.attidentity <> '' AS is_identity, false AS is_computed
  FROM tds.user_columns c LEFT JOIN sys.types t ON t.name = CASE c.type WHEN 'rowversion' THEN 'timestamp' ELSE c.type END::bpchar;

CREATE VIEW sys.indexes AS SELECT i.indrelid::int4 AS object_id, c.relname::bpchar COLLATE tds.ci AS name, i.indexrelid::int4 AS index_id,
    i.indisunique AS is_unique, i.indisprimary AS is_primary_key, (k.contype IS NOT NULL AND k.contype = 'u') AS is_unique_constraint, false AS is_disabled
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN tds.user_tables t ON t.oid = i.indrelid
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u');
CREATE VIEW sys.index_columns AS SELECT i.indrelid::int4 AS object_id, i.indexrelid::int4 AS index_id, k.position::int4 AS index_column_id,
    k.attnum::int4 AS column_id, k.position::int4 AS key_ordinal, false AS is_descending_key, false AS is_included_column
  FROM pg_index i JOIN tds.user_tables t ON t.oid = i.indrelid, unnest(i.indkey) WITH ORDINALITY AS k(attnum, position);
CREATE VIEW sys.key_constraints AS SELECT k.conname::bpchar COLLATE tds.ci AS name, k.oid::int4 AS object_id, k.conrelid::int4 AS parent_object_id,
    CASE k.contype WHEN 'p' THEN 'PK' ELSE 'UQ' END::bpchar COLLATE tds.ci AS type, k.conindid::int4 AS unique_index_id
  FROM pg_constraint k JOIN tds.user_tables t ON t.oid = k.conrelid WHERE k.contype IN ('p', 'u');

CREATE VIEW sys.databases AS SELECT current_database()::bpchar COLLATE tds.ci AS name, 5 AS database_id, created AS create_date,
    'SQL_Latin1_General_CP1_CI_AS'::bpchar COLLATE tds.ci AS collation_name, 160 AS compatibility_level,
    snapshot::int4 AS snapshot_isolation_state, CASE WHEN snapshot THEN 'ON' ELSE 'OFF' END::bpchar COLLATE tds.ci AS snapshot_isolation_state_desc,
    true AS is_read_committed_snapshot_on, false AS is_read_only, 'ONLINE'::bpchar COLLATE tds.ci AS state_desc, guid AS service_broker_guid
  FROM tds.database;
CREATE VIEW sys.database_recovery_status AS SELECT 5 AS database_id, guid AS database_guid, guid AS family_guid FROM tds.database;
CREATE VIEW sys.change_tracking_databases AS SELECT 5 AS database_id, cleanup AS is_auto_cleanup_on, retention AS retention_period,
    array_position(ARRAY['minutes', 'hours', 'days'], units) AS retention_period_units, pg_catalog.upper(units)::bpchar COLLATE tds.ci AS retention_period_units_desc,
    (SELECT max(cleaned) FROM tds.tracked) AS max_cleanup_version
  FROM tds.database WHERE tracking;
CREATE VIEW sys.change_tracking_tables AS SELECT table_id::int4 AS object_id, columns AS is_track_columns_updated_on,
    began AS begin_version, tds.min_valid(t) AS min_valid_version, cleaned AS cleanup_version FROM tds.tracked t;
CREATE VIEW sys.internal_tables AS SELECT table_id::int4 AS parent_object_id, 'CHANGE_TRACKING'::bpchar COLLATE tds.ci AS internal_type_desc,
    enabled AS create_date FROM tds.tracked;

CREATE VIEW tds_information_schema.tables AS SELECT current_database()::bpchar COLLATE tds.ci AS table_catalog, nspname::bpchar COLLATE tds.ci AS table_schema,
    name::bpchar COLLATE tds.ci AS table_name, 'BASE TABLE'::bpchar COLLATE tds.ci AS table_type FROM tds.user_tables;
CREATE VIEW tds_information_schema.columns AS SELECT current_database()::bpchar COLLATE tds.ci AS table_catalog, nspname::bpchar COLLATE tds.ci AS table_schema,
    table_name::bpchar COLLATE tds.ci AS table_name, name::bpchar COLLATE tds.ci AS column_name, attnum::int4 AS ordinal_position,
    CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END::bpchar COLLATE tds.ci AS is_nullable,
    CASE type WHEN 'rowversion' THEN 'timestamp' ELSE type END::bpchar COLLATE tds.ci AS data_type,
    CASE WHEN type LIKE '%char' OR type LIKE '%binary' THEN first END AS character_maximum_length,
    CASE WHEN type IN ('decimal', 'numeric') THEN first END AS numeric_precision, CASE WHEN type IN ('decimal', 'numeric') THEN coalesce(second, 0) END AS numeric_scale,
    CASE WHEN type IN ('time', 'datetime2', 'datetimeoffset') THEN first END AS datetime_precision, "collation"::bpchar COLLATE tds.ci AS collation_name
  FROM tds.user_columns;
CREATE VIEW tds_information_schema.table_constraints AS SELECT current_database()::bpchar COLLATE tds.ci AS constraint_catalog,
    t.nspname::bpchar COLLATE tds.ci AS constraint_schema, k.conname::bpchar COLLATE tds.ci AS constraint_name, t.nspname::bpchar COLLATE tds.ci AS table_schema,
    t.name::bpchar COLLATE tds.ci AS table_name,
    CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' WHEN 'f' THEN 'FOREIGN KEY' ELSE 'CHECK' END::bpchar COLLATE tds.ci AS constraint_type
  FROM pg_constraint k JOIN tds.user_tables t ON t.oid = k.conrelid WHERE k.contype IN ('p', 'u', 'f', 'c') AND k.conname NOT LIKE 'len$%';
CREATE VIEW tds_information_schema.key_column_usage AS SELECT t.nspname::bpchar COLLATE tds.ci AS constraint_schema, k.conname::bpchar COLLATE tds.ci AS constraint_name,
    t.nspname::bpchar COLLATE tds.ci AS table_schema, t.name::bpchar COLLATE tds.ci AS table_name,
    coalesce(tds.declared(t.oid, a.attnum, 'name'), a.attname)::bpchar COLLATE tds.ci AS column_name, p.position::int4 AS ordinal_position
  FROM pg_constraint k JOIN tds.user_tables t ON t.oid = k.conrelid, unnest(k.conkey) WITH ORDINALITY AS p(attnum, position), pg_attribute a
  WHERE k.contype IN ('p', 'u', 'f') AND a.attrelid = t.oid AND a.attnum = p.attnum;
